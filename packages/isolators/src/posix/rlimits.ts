import { readFileSync } from 'node:fs';
import { type Isolator, type Rlimit, type RlimitEdit, toGantryError } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { type OwnLimit, ownCapabilities, ownLimits } from '../linux/own-process.js';

const name = 'posix/rlimits';

/** RLIM_INFINITY, 2^64 - 1, as near as a number comes: what JSON.parse makes of it too. */
const unlimited = 2 ** 64;

/** The resources of getrlimit(2), and what /proc/PID/limits calls them. */
const resources: ReadonlyMap<string, string> = new Map([
  ['RLIMIT_AS', 'Max address space'],
  ['RLIMIT_CORE', 'Max core file size'],
  ['RLIMIT_CPU', 'Max cpu time'],
  ['RLIMIT_DATA', 'Max data size'],
  ['RLIMIT_FSIZE', 'Max file size'],
  ['RLIMIT_LOCKS', 'Max file locks'],
  ['RLIMIT_MEMLOCK', 'Max locked memory'],
  ['RLIMIT_MSGQUEUE', 'Max msgqueue size'],
  ['RLIMIT_NICE', 'Max nice priority'],
  ['RLIMIT_NOFILE', 'Max open files'],
  ['RLIMIT_NPROC', 'Max processes'],
  ['RLIMIT_RSS', 'Max resident set'],
  ['RLIMIT_RTPRIO', 'Max realtime priority'],
  ['RLIMIT_RTTIME', 'Max realtime timeout'],
  ['RLIMIT_SIGPENDING', 'Max pending signals'],
  ['RLIMIT_STACK', 'Max stack size'],
]);

/**
 * Open files of a container that asks for nothing. Node raises its own soft limit to the hard one, and a container
 * would inherit that; programs that use select(2), or close every descriptor up to the limit, count on 1024.
 */
const defaultOpenFiles: RlimitEdit = { type: 'RLIMIT_NOFILE', soft: 1024, hard: 524_288, origin: 'default' };

/** What the host program may do about limits. */
export interface RlimitHost {
  /** By the names of /proc/PID/limits. */
  readonly own: ReadonlyMap<string, OwnLimit>;
  /** Whether it holds CAP_SYS_RESOURCE. */
  readonly mayRaise: boolean;
  /** /proc/sys/fs/nr_open: above it, nobody may set RLIMIT_NOFILE. */
  readonly maxOpenFiles: number;
}

/** `posix/rlimits`: the limits of setrlimit(2) that the spec asks for, and a default for open files. */
export function posixRlimits(): Isolator {
  return {
    name,
    async edits({ spec }) {
      const requests = spec.rlimits ?? [];
      return { rlimits: requests.length === 0 ? [defaultOpenFiles] : rlimitEdits(requests, readHost()) };
    },
  };
}

/** The edits for a list of requests. `REFUSED` for a hard limit that the host program may not set. */
export function rlimitEdits(requests: readonly Rlimit[], host: RlimitHost): RlimitEdit[] {
  const edits = new Map<string, RlimitEdit>();
  for (const [index, request] of requests.entries()) {
    const field = `spec.rlimits[${index}]`;
    const edit = checked(request, field);
    if (edits.has(edit.type)) throw invalidField(`${field}.type`, `${edit.type} is given twice`);
    checkAllowed(edit.type, request.hard, host);
    edits.set(edit.type, edit);
  }
  if (!edits.has(defaultOpenFiles.type)) edits.set(defaultOpenFiles.type, defaultOpenFiles);
  return [...edits.values()];
}

function checked({ type, soft, hard }: Rlimit, field: string): RlimitEdit {
  const upper = type.toUpperCase();
  const full = upper.startsWith('RLIMIT_') ? upper : `RLIMIT_${upper}`;
  if (!resources.has(full)) {
    throw invalidField(`${field}.type`, `'${type}' is none of ${[...resources.keys()].join(', ')}`);
  }
  for (const [key, value] of Object.entries({ soft, hard })) {
    if (value !== Number.POSITIVE_INFINITY && (!Number.isSafeInteger(value) || value < 0)) {
      throw invalidField(`${field}.${key}`, 'must be a whole number from 0, or Infinity');
    }
  }
  if (soft > hard) throw invalidField(`${field}.soft`, `${soft} is above the hard limit of ${hard}`);
  return { type: full, soft: Math.min(soft, unlimited), hard: Math.min(hard, unlimited), origin: 'request' };
}

function checkAllowed(type: string, hard: number, host: RlimitHost): void {
  const own = host.own.get(resources.get(type) ?? '')?.hard ?? 0;
  if (hard > own && !host.mayRaise) {
    throw refused(
      name,
      `a hard ${type} of ${hard} is above the host program's own of ${own}, which needs CAP_SYS_RESOURCE`,
      `give the host program that capability, or ask for ${own} at most`,
    );
  }
  if (type === 'RLIMIT_NOFILE' && hard > host.maxOpenFiles) {
    throw refused(
      name,
      `a hard RLIMIT_NOFILE of ${hard} is above the kernel's maximum of ${host.maxOpenFiles}`,
      'raise the sysctl fs.nr_open of the host, or ask for less',
    );
  }
}

function readHost(): RlimitHost {
  return {
    own: ownLimits(),
    mayRaise: ownCapabilities().has('CAP_SYS_RESOURCE'),
    maxOpenFiles: readMaxOpenFiles(),
  };
}

function readMaxOpenFiles(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/nr_open', 'utf8'));
  } catch (error) {
    throw toGantryError(error, 'reading /proc/sys/fs/nr_open');
  }
}
