import { existsSync } from 'node:fs';
import { provisionerCompliance } from '@gantry/testkit';
import { describe, it, vi } from 'vitest';

// Processes are started and killed one after the other.
vi.setConfig({ testTimeout: 60_000 });

const missing = [
  ...(process.getuid?.() === 0 ? [] : ['root']),
  ...(existsSync('/usr/bin/setfattr') ? [] : ['setfattr of the package attr']),
];

const traits = { overlay: {}, copy: {}, bind: { layers: 'one', writable: false } } as const;

describe.skipIf(missing.length > 0)(`compliance (needs ${missing.join(', ') || 'root, which is here'})`, () => {
  describe.each(Object.entries(traits))('of the backend %s:', (backend, trait) => {
    const module = new URL(`compliance/${backend}.mjs`, import.meta.url).href;
    provisionerCompliance({ describe, test: it, module, ...trait });
  });
});
