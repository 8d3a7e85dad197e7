import { isGantryError } from '@gantry/interface';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { brokenPipe, OutputWatch } from './closed-output.js';
import { attach } from './commands/attach.js';
import { type ExecOptions, exec } from './commands/exec.js';
import { kill } from './commands/kill.js';
import { logs } from './commands/logs.js';
import { pause } from './commands/pause.js';
import { probe } from './commands/probe.js';
import { ps } from './commands/ps.js';
import { pull } from './commands/pull.js';
import { rm } from './commands/rm.js';
import { type RunOptions, run } from './commands/run.js';
import { type Console, tellError } from './console.js';
import { parseGpus } from './device-options.js';
import { defaultRoot, defaultStateRoot } from './places.js';
import { parseCount, parsePositive, parseSize } from './sizes.js';
import { parseTime } from './times.js';

const collect = (value: string, all: readonly string[]): string[] => [...all, value];

/**
 * Runs one command line (without node and script) and resolves with its exit status: 0, the container's own for
 * `run` and `exec`, 125 for a failure of Gantry's, 130 if it was interrupted before there was a process to interrupt, 141 if the reader
 * of its output has gone, which is as an interrupt, 2 for a command line that is wrong.
 */
export async function runCommand(argv: readonly string[], console: Console, signal: AbortSignal): Promise<number> {
  let status = 0;
  const set = async (result: Promise<number>) => {
    status = await result;
  };
  using output = new OutputWatch(console);
  const program = buildProgram(console, AbortSignal.any([signal, output.signal]), set);
  try {
    await program.parseAsync(argv, { from: 'user' });
    return output.status ?? status;
  } catch (error) {
    if (error instanceof InvalidArgumentError) console.stderr.write(`gantry: ${error.message}\n`);
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (output.status === brokenPipe) return brokenPipe;
    if (signal.aborted && isGantryError(error, 'ABORTED')) return 130;
    tellError(console, error);
    return 125;
  }
}

function buildProgram(console: Console, signal: AbortSignal, set: (result: Promise<number>) => Promise<void>): Command {
  const program = new Command('gantry')
    .description('runs containers from images, without a daemon')
    .option('--root <folder>', 'images and writable layers', defaultRoot)
    .option('--state-root <folder>', 'records, sockets and logs of containers', defaultStateRoot)
    .option('--cni-config <folder>', 'network configurations (default: /etc/cni/net.d)')
    .option('--cni-plugins <folder>', 'where CNI plugins are (repeatable)', collect, [])
    .option('--insecure <registry>', 'a registry to be spoken to over http (repeatable)', collect, [])
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => console.stdout.write(text),
      writeErr: (text) => console.stderr.write(text),
    });

  program
    .command('pull <image>')
    .description('bring an image into the store')
    .option('--force', 'ask the registry even if the image is here')
    .action((image: string, _, command: Command) => set(pull(image, command.optsWithGlobals(), console, signal)));

  program
    .command('run <image> [args...]')
    .description('run a container')
    .passThroughOptions()
    .option('--id <id>', 'its id (default: a random one)')
    .option('-d, --detach', 'leave it running and print its id')
    .option('-i, --interactive', 'give it what is read from stdin')
    .option('-t, --tty', 'give it a terminal; ^P ^Q detaches from it')
    .option('--init', 'run the program below an init that reaps and passes signals on')
    .option('--rm', 'forget it, and its log, once it has ended')
    .option('-e, --env <name=value>', 'an environment variable (repeatable)', collect, [])
    .option('-u, --user <user>', 'user or uid, with :group or :gid')
    .option('-w, --workdir <path>', 'working directory')
    .option('--hostname <name>', 'host name')
    .option('--entrypoint <program>', "instead of the image's")
    .option('-v, --volume <host:container[:ro]>', 'bind a file or folder of the host (repeatable)', collect, [])
    .option(
      '--device <device>',
      'a device: node[:container node][:rwm], or vendor.com/class=name by CDI (repeatable)',
      collect,
      [],
    )
    .option('--gpus <gpus>', 'so many GPUs, or device=name,name', parseGpus)
    .option('--read-only', 'make the root file system read-only')
    .option(
      '--network <name>',
      'none (default), host, user, or a network by CNI; name[:interface] (repeatable)',
      collect,
      [],
    )
    .option('-p, --publish <mapping>', 'a port: [[ip:]host port:]port[/udp] (repeatable)', collect, [])
    .option('--add-host <name:address>', 'a line of its /etc/hosts (repeatable)', collect, [])
    .option('--dns <address>', 'a server to ask for names (repeatable)', collect, [])
    .option('--cpus <number>', 'CPUs it may use, as 0.5', parsePositive)
    .option('-m, --memory <size>', 'memory it may use, as 128m', parseSize)
    .option('--pids <number>', 'processes and threads it may have', parsePositive)
    .action((image: string, args: string[], _, command: Command) =>
      set(run(image, args, command.optsWithGlobals<RunOptions>(), console, signal)),
    );

  program
    .command('exec <id> <command> [args...]')
    .description('run a program in a running container')
    .passThroughOptions()
    .option('-i, --interactive', 'give it what is read from stdin')
    .option('-t, --tty', 'give it a terminal')
    .option('-e, --env <name=value>', 'an environment variable (repeatable)', collect, [])
    .option('-u, --user <user>', 'user or uid, with :group or :gid')
    .option('-w, --workdir <path>', 'working directory')
    .action((id: string, program: string, args: string[], _, command: Command) =>
      set(exec(id, [program, ...args], command.optsWithGlobals<ExecOptions>(), console, signal)),
    );

  program
    .command('attach <id>')
    .description('show what a container writes from now on')
    .option('-i, --interactive', 'give it what is read from stdin')
    .option('-t, --tty', 'it has a terminal; ^P ^Q detaches from it')
    .action((id: string, _, command: Command) => set(attach(id, command.optsWithGlobals(), console, signal)));

  for (const [name, what] of [
    ['pause', 'stop every process of containers where it is'],
    ['resume', 'let paused containers go on'],
  ] as const) {
    program
      .command(`${name} <id...>`)
      .description(what)
      .action((ids: string[], _, command: Command) =>
        set(pause(ids, name === 'pause', command.optsWithGlobals(), console)),
      );
  }

  program
    .command('ps')
    .description('list containers')
    .option('-a, --all', 'ended ones too')
    .option('-q, --quiet', 'ids only')
    .action((_, command: Command) => set(ps(command.optsWithGlobals(), console)));

  program
    .command('kill <id...>')
    .description('send a signal to the first process of containers')
    .option('-s, --signal <signal>', 'name or number', 'SIGKILL')
    .action((ids: string[], _, command: Command) => set(kill(ids, command.optsWithGlobals(), console)));

  program
    .command('logs <id>')
    .description('show what a container wrote')
    .option('-f, --follow', 'go on until it ends')
    .option('-t, --timestamps', 'start every line with its time')
    .option('-n, --tail <lines>', 'the last lines only, and what follows', parseCount)
    .option('--since <time>', 'what was written since then: 2026-01-31T12:00:00Z, or 90s, 10m, 3h ago', parseTime)
    .action((id: string, _, command: Command) => set(logs(id, command.optsWithGlobals(), console, signal)));

  program
    .command('rm <id...>')
    .description('forget ended containers and their logs')
    .option('-f, --force', 'end running ones first')
    .action((ids: string[], _, command: Command) => set(rm(ids, command.optsWithGlobals(), console)));

  program
    .command('probe')
    .description('show what this host can do for containers, and what to change for the rest')
    .action((_, command: Command) => set(probe(command.optsWithGlobals(), console, signal)));

  return program;
}
