import { execFile } from 'node:child_process';
import { errnoOf, toGantryError } from '@gantry/interface';
import type { NetworkConfigList } from '../network-config.js';

const families = ['iptables', 'ip6tables'] as const;

/**
 * Removes what `ipMasq` of bridge and ptp has left of a container in the NAT tables. They find their rules by the addresses of the
 * interface: a DEL that was killed after that was gone leaves them, and the next one does not find them.
 */
export async function sweepMasquerade(list: NetworkConfigList, containerID: string): Promise<void> {
  if (!list.plugins.some(({ raw }) => raw['ipMasq'] === true)) return;
  for (const family of families) {
    const deletions = masqueradeDeletions(await run(`${family}-save`, ['-t', 'nat']), list.name, containerID);
    if (deletions !== '') await run(`${family}-restore`, ['--noflush'], deletions);
  }
}

/** What has iptables-restore delete the rules of a container, and the chains that were made for them; empty if there are none. */
export function masqueradeDeletions(saved: string, network: string, containerID: string): string {
  // As these plugins mark their rules, and iptables-save writes it.
  const mark = `--comment "name: \\"${network}\\" id: \\"${containerID}\\""`;
  const rules = saved.split('\n').filter((line) => line.startsWith('-A ') && line.includes(mark));
  if (rules.length === 0) return '';
  const chains = new Set(rules.flatMap((rule) => /^-A (CNI-[0-9a-f]{24}) /.exec(rule)?.[1] ?? []));
  const jumps = rules.filter((rule) => !/^-A CNI-/.test(rule)).map((rule) => rule.replace(/^-A/, '-D'));
  const emptied = [...chains].flatMap((chain) => [`-F ${chain}`, `-X ${chain}`]);
  return `${['*nat', ...jumps, ...emptied, 'COMMIT'].join('\n')}\n`;
}

/** What a program writes; nothing if there is none, and so no rules of it. */
function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
    const child = execFile(command, args, { env, maxBuffer: 64 * 2 ** 20 }, (error, stdout) => {
      if (!error) resolve(stdout);
      else if (errnoOf(error) === 'ENOENT') resolve('');
      else reject(toGantryError(error, `running ${command}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
