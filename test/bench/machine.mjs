import { cpus, release, totalmem } from 'node:os';

/** What of this machine bears on the figures, and nothing that tells it from others of its kind. */
export function machine() {
  const [first] = cpus();
  const kernel = release().split('.').slice(0, 2).join('.');
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  return `Linux ${kernel}, ${cpus().length} cores (${first?.model.trim() ?? 'unknown'}), ${gibibytes} GiB of memory, Node.js ${process.versions.node}`;
}
