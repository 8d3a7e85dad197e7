import { defineConfig } from 'vitest/config';

/** What is built is loaded as node loads it for everybody: transforming it anew for every file costs more than most tests. */
const server = { deps: { external: [/\/dist\/[^/]+\.js$/] } };

/** That a machine has much else to do is no reason to fail: the second by which vitest gives up is short for it. */
const patient = { poll: { timeout: 30_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['packages/*/test/**/*.test.ts', 'native/test/**/*.test.ts'],
          // Vitest's default leaves one processor idle: one of two, on the usual machine.
          maxWorkers: '100%',
          server,
          expect: patient,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts'],
          server,
          expect: patient,
          setupFiles: ['test/support/unchanged-machine.ts'],
          // They share the machine: mounts, control groups and ports are compared before and after.
          fileParallelism: false,
          // One process for all files: to start another takes longer than many of them.
          isolate: false,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
