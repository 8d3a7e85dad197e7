import { GantryError, type Isolator } from '@gantry/interface';

/**
 * Puts isolators into the order in which they contribute: each after those it names in `after`, and by name where
 * nothing else decides, so that the order given does not matter. Clean-up is the reverse. `CONFLICT` for a cycle,
 * or two isolators of one name, with `details.isolators`.
 */
export function orderIsolators(isolators: readonly Isolator[]): Isolator[] {
  const waiting = new Map<string, Isolator>();
  for (const isolator of [...isolators].sort(byName)) {
    if (waiting.has(isolator.name)) {
      throw new GantryError('CONFLICT', `two isolators are called ${isolator.name}: give each name once`, {
        details: { isolators: [isolator.name, isolator.name] },
      });
    }
    waiting.set(isolator.name, isolator);
  }
  const ordered: Isolator[] = [];
  while (waiting.size > 0) {
    const next = [...waiting.values()].find((isolator) => predecessors(isolator, waiting).length === 0);
    if (!next) throw cycleError(waiting);
    waiting.delete(next.name);
    ordered.push(next);
  }
  return ordered;
}

function byName(a: Isolator, b: Isolator): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** The names, of those still waiting, that must come before an isolator. A family never includes its asker. */
function predecessors(isolator: Isolator, waiting: ReadonlyMap<string, Isolator>): string[] {
  const patterns = isolator.after ?? [];
  return [...waiting.keys()].filter((name) =>
    patterns.some((pattern) =>
      pattern.endsWith('/*') ? name !== isolator.name && name.startsWith(pattern.slice(0, -1)) : name === pattern,
    ),
  );
}

/** Every isolator left waits for another one left, so following any of them backwards must come round. */
function cycleError(waiting: ReadonlyMap<string, Isolator>): GantryError {
  const path: string[] = [];
  let name = [...waiting.keys()][0];
  while (name !== undefined && !path.includes(name)) {
    path.push(name);
    const isolator = waiting.get(name);
    name = isolator && predecessors(isolator, waiting)[0];
  }
  const cycle = path.slice(name === undefined ? 0 : path.indexOf(name)).reverse();
  return new GantryError(
    'CONFLICT',
    `isolators wait for each other: ${cycle.join(', ')}; change what they come after`,
    {
      details: { isolators: cycle },
    },
  );
}
