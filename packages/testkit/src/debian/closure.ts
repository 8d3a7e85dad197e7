import { GantryError } from '@gantry/interface';
import type { PackageRecord } from './package-record.js';

/** Where records come from. */
export interface PackageSource {
  /** The records of those that exist. */
  show(names: readonly string[]): Promise<readonly PackageRecord[]>;
  /** Names of real packages that provide a virtual one. */
  providers(virtual: string): Promise<readonly string[]>;
}

/**
 * The packages and all that they need (Pre-Depends and Depends), by name. Of alternatives one that is there already is
 * taken, else the first that exists. `exclude` leaves packages out, and what only they need. `UNSUPPORTED` if one is nowhere.
 */
export async function resolveClosure(
  source: PackageSource,
  names: readonly string[],
  exclude: ReadonlySet<string>,
): Promise<PackageRecord[]> {
  const records = new Map<string, PackageRecord>();
  const chosen = new Map<string, PackageRecord>();
  const provided = new Set<string>();
  let wanted: (readonly string[])[] = names.map((name) => [name]);
  while (wanted.length > 0) {
    const unknown = new Set(wanted.flat().filter((name) => !records.has(name) && !provided.has(name)));
    for (const record of unknown.size > 0 ? await source.show([...unknown]) : []) records.set(record.name, record);
    const added: PackageRecord[] = [];
    for (const alternatives of wanted) {
      if (alternatives.some((name) => chosen.has(name) || provided.has(name))) continue;
      const record = await pick(source, records, alternatives);
      if (exclude.has(record.name) || chosen.has(record.name)) continue;
      chosen.set(record.name, record);
      for (const name of record.provides) provided.add(name);
      added.push(record);
    }
    wanted = added
      .flatMap(({ depends }) => depends)
      .filter((alternatives) => !alternatives.some((name) => exclude.has(name)));
  }
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function pick(
  source: PackageSource,
  records: ReadonlyMap<string, PackageRecord>,
  alternatives: readonly string[],
): Promise<PackageRecord> {
  for (const name of alternatives) {
    const record = records.get(name);
    if (record) return record;
  }
  const [first = ''] = alternatives;
  const [provider] = await source.providers(first);
  const [record] = provider === undefined ? [] : await source.show([provider]);
  if (record) return record;
  throw new GantryError('UNSUPPORTED', `apt knows no package ${first}: run "apt-get update", or name another package`, {
    details: { package: first },
  });
}
