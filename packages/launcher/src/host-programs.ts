import type { HostProgram, HostPrograms, RunningProgram } from '@gantry/interface';
import { addon } from '@gantry/native';

/** Programs by the addon: started without a copy of the host program's page tables, waited for in threads of their own. */
export function createHostPrograms(): HostPrograms {
  return { run };
}

function run({ path, environment, input, mostOutput }: HostProgram): RunningProgram {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return addon().runProgram(path, variables, input, mostOutput);
}
