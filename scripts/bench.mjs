// Measures the launch of /bin/true from a cached image against bare system calls, crun, runc, docker, containerd and podman; exec
// against those of the last three; then how many launches a second there are with 1, 4 and 16 at once, and what goes through an
// attachment. Needs root.
//   npm run bench                  100 rounds
//   npm run bench -- --rounds 500
//   npm run bench -- --check       exit status 1 if a goal is missed
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installPackages } from './lib/debian-packages.mjs';
import { main } from './lib/main.mjs';
import { ScriptError } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';
import { installTestPackages } from './lib/test-packages.mjs';

const peers = new Map([
  ['docker.io', 'launches through its daemon'],
  ['containerd', 'launches through its daemon'],
  ['podman', 'launches'],
]);

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '100' }, check: { type: 'boolean', default: false } },
});

await main(async () => {
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new ScriptError('--rounds takes a number of at least 1');
  if (process.getuid?.() !== 0) throw new ScriptError('launching containers needs root: run npm run bench as root');
  await setup();
  await installTestPackages();
  await installPackages(peers, 'what needs it is left out');
  // Memory, so that nobody's disk is in the figures.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gantry-bench-'));
  try {
    // Only now is there a build to import.
    const { measureLaunch, missedGoals, aloneTable, execTable, launchTable, machine } = await import(
      '../test/bench/index.mjs'
    );
    const { launches, first, alone, execs, rates } = await measureLaunch({ folder, rounds });
    const besideBare = [aloneTable('first 100 launches', first), aloneTable('beside bare alone', alone)];
    const tables = [launchTable(launches), ...besideBare, execTable(execs), rates];
    console.log(`\n${machine()}; ${rounds} rounds, all contenders in turn\n\n${tables.join('\n\n')}`);
    const missed = missedGoals(launches);
    for (const goal of missed) console.log(`missed: ${goal}`);
    return values.check && missed.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
