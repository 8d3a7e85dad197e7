import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec } from '@gantry/interface';
import { isolatorCompliance } from '@gantry/testkit';
import { afterAll, describe, it } from 'vitest';
import { createIsolators, detectCgroups } from '../src/index.js';
import { contextOf } from './context.js';

const folder = mkdtempSync(join(tmpdir(), 'gantry-compliance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cgroups = await detectCgroups();
const cdi = {
  folders: [],
  specs: [
    {
      cdiVersion: '0.5.0',
      kind: 'nvidia.com/gpu',
      devices: [{ name: '0', containerEdits: { deviceNodes: [{ path: '/dev/nvidia0', hostPath: '/dev/null' }] } }],
    },
  ],
};
const volumes = { root: folder, place: 'compliance' };
const all = () => createIsolators({ cgroups, cgroupParent: '/gantry-compliance', stateFolder: folder, volumes, cdi });

/** What an isolator is to refuse, and what shows that it cleans up; the others have tests of their own for that. */
const traits: Readonly<Record<string, { readonly spec?: ContainerSpec; readonly refused?: readonly ContainerSpec[] }>> =
  {
    'disk/du': { refused: [{ resources: { limits: { disk: 10 } } }, { resources: { limits: { disk: 2 ** 30 } } }] },
    'disk/xfs': { refused: [{ resources: { limits: { disk: 0.5 } } }] },
    'gpu/cdi': {
      refused: [{ devices: [{ cdi: 'nvidia.com/gpu' }] }, { devices: [{ cdi: 'nvidia.com/gpu=1' }] }],
    },
    'gpu/nvidia': {
      spec: { resources: { gpus: 1 } },
      refused: [{ resources: { gpus: 2 } }, { resources: { gpus: ['1'] } }, { sandbox: true, resources: { gpus: 1 } }],
    },
    'network/egress': { refused: [{ network: 'host', egress: { allow: [] } }] },
    'network/ports': {
      spec: { network: 'host', listenPorts: [{ first: 80, last: 80 }] },
      refused: [{ listenPorts: [] }],
    },
  };

for (const { name } of all()) {
  const { spec, refused = [] } = traits[name] ?? {};
  const context = (given: ContainerSpec) =>
    contextOf({ command: ['/bin/true'], ...given }, { id: 'compliance', parent: '/gantry-compliance', image: {} });
  describe(name, () => {
    isolatorCompliance({
      describe,
      test: it,
      create: () => {
        const found = all().find((isolator) => isolator.name === name);
        if (!found) throw new Error(`${name} is gone`);
        return found;
      },
      context: context(spec ?? {}),
      refused: refused.map(context),
      prepares: spec !== undefined,
    });
  });
}
