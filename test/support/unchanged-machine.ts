import { afterAll, beforeAll } from 'vitest';
import { expectUnchanged, type MachineState, machineState } from './machine-state.mjs';

// Set up for every file of integration tests: whatever it runs, the machine is afterwards as it was.
let before: MachineState;

beforeAll(async () => {
  before = await machineState();
});

afterAll(() => expectUnchanged(before));
