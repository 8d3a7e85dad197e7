import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OciSeccomp, OciSeccompArgument } from '@gantry/interface';
import { compileAction } from '../../src/compile/seccomp/actions.js';
import { type Architecture, auditArchitectures } from '../../src/compile/seccomp/architectures.js';

/** Why libseccomp cannot judge here; undefined if it can. */
export const noLibseccomp =
  existsSync('/usr/include/seccomp.h') && spawnSync('gcc', ['--version']).status === 0
    ? undefined
    : 'needs gcc and libseccomp-dev';

/** `SCMP_ARCH_*` of seccomp.h: that of x32 is its own. */
const tokens: Readonly<Record<Architecture, number>> = { ...auditArchitectures, x32: 0x4000003e };
const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'];

let oracle: string | undefined;

function buildOracle(): string {
  const path = join(mkdtempSync(join(tmpdir(), 'gantry-oracle-')), 'oracle');
  execFileSync('gcc', ['-o', path, fileURLToPath(new URL('../seccomp/oracle.c', import.meta.url)), '-lseccomp']);
  return path;
}

/** The filter that libseccomp makes of a profile, called as runc and crun call it. */
export function compileByLibseccomp(profile: OciSeccomp, architectures: readonly Architecture[]): Uint8Array {
  oracle ??= buildOracle();
  const fields = { action: 'action', errno: 'errnoRet' };
  const lines = [`default ${compileAction(profile.defaultAction, profile.defaultErrnoRet, '', fields) >>> 0}`];
  for (const architecture of architectures) lines.push(`arch ${tokens[architecture]}`);
  for (const { names, action, errnoRet, args = [] } of profile.syscalls ?? []) {
    const value = compileAction(action, errnoRet, '', fields) >>> 0;
    for (const name of names) {
      for (const rule of alternatives(args))
        lines.push(['rule', value, name, rule.length, ...rule.map(words)].join(' '));
    }
  }
  const result = spawnSync(oracle, { input: lines.join('\n'), maxBuffer: 2 ** 24 });
  if (result.status !== 0) throw new Error(`libseccomp: ${result.stderr.toString()}`);
  return result.stdout;
}

/** Both make a rule of each condition if two are about one argument. */
function alternatives(args: readonly OciSeccompArgument[]): (readonly OciSeccompArgument[])[] {
  const distinct = new Set(args.map(({ index }) => index)).size === args.length;
  return distinct ? [args] : args.map((argument) => [argument]);
}

function words({ index, op, value, valueTwo = 0 }: OciSeccompArgument): string {
  return [index, 1 + operators.indexOf(op.replace('SCMP_CMP_', '')), BigInt(value), BigInt(valueTwo)].join(' ');
}
