import { execFileSync } from 'node:child_process';

const families = ['iptables', 'ip6tables'] as const;
type Family = (typeof families)[number];

/** Chains that plugins make once, for all containers to come, and leave: `iptables filter CNI-FORWARD`. */
export function pluginChains(): ReadonlySet<string> {
  const chains = families.flatMap((family) => {
    let table = '';
    return save(family).flatMap((line) => {
      table = /^\*(\w+)/.exec(line)?.[1] ?? table;
      // Those of one container have a digest for a name, and go with it.
      const [, chain] = /^:(CNI-(?:FORWARD|ADMIN|HOSTPORT-[A-Z]+)) /.exec(line) ?? [];
      return chain === undefined ? [] : [`${family} ${table} ${chain}`];
    });
  });
  return new Set(chains);
}

/** Removes those that were not there before, with the rules that lead to them. */
export function removePluginChains(before: ReadonlySet<string>): void {
  const made = [...pluginChains()].filter((chain) => !before.has(chain)).map((chain) => chain.split(' '));
  for (const family of families) {
    for (const table of ['filter', 'nat']) {
      const chains = made.filter(([of, at]) => of === family && at === table).flatMap(([, , chain = '']) => chain);
      if (chains.length === 0) continue;
      const leads = rulesOf(family, table).filter((rule) => chains.some((chain) => rule.endsWith(`-j ${chain}`)));
      const lines = [
        `*${table}`,
        ...leads.map((rule) => rule.replace(/^-A/, '-D')),
        ...chains.map((chain) => `-F ${chain}`),
        ...chains.map((chain) => `-X ${chain}`),
        'COMMIT\n',
      ];
      execFileSync(`${family}-restore`, ['--noflush'], { input: lines.join('\n'), stdio: ['pipe', 'pipe', 'pipe'] });
    }
  }
}

function rulesOf(family: Family, table: string): string[] {
  return save(family, '-t', table).filter((line) => line.startsWith('-A '));
}

function save(family: Family, ...args: string[]): string[] {
  return execFileSync(`${family}-save`, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n');
}
