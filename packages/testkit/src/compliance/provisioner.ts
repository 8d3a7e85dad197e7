import { type Bench, makeBench } from './provisioner-bench.js';
import { contentTests, oneLayerTests } from './provisioner-content.js';
import { faultTests } from './provisioner-faults.js';
import { lifeCycleTests } from './provisioner-life-cycle.js';
import { readFileTests } from './provisioner-read-file.js';

/** What {@link provisionerCompliance} is to test, and with which test runner. */
export interface ProvisionerComplianceOptions {
  /** `describe` of vitest, node:test, mocha or another runner. */
  readonly describe: (name: string, define: () => void) => unknown;
  /** `test` or `it` of the same runner. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /**
   * URL of a JavaScript module that exports `create(root: string)`, which gives a `Provisioner` or a promise of one. A
   * module rather than a function, since processes that are killed in the middle of their work load it, too.
   */
  readonly module: string;
  /** Whether images of several layers are taken, or refused. Default `many`. */
  readonly layers?: 'one' | 'many';
  /** Whether containers may write to their roots, each to its own, or nobody may. Default true. */
  readonly writable?: boolean;
}

type Tests = ReadonlyMap<string, (bench: Bench) => Promise<void>>;

const suites = ({ layers }: Pick<Bench, 'layers'>): ReadonlyMap<string, Tests> =>
  new Map([
    ['the root of an image', layers === 'one' ? new Map([...contentTests, ...oneLayerTests]) : contentTests],
    ['a file of a root', readFileTests],
    ['the life of a root', lifeCycleTests],
    ['a root and faults', faultTests],
  ]);

/**
 * Registers the tests that every provisioner has to pass. They run as root on Linux, with util-linux, GNU findutils and
 * coreutils, and setfattr and getfattr (Debian's package attr). Each makes a folder of its own below the machine's temporary folder, which must be able to hold the upper
 * folder of an overlay, and removes it.
 */
export function provisionerCompliance(options: ProvisionerComplianceOptions): void {
  const { describe, test, module, layers = 'many', writable = true } = options;
  const withBench = (run: (bench: Bench) => Promise<void>) => async () => {
    const bench = await makeBench({ module, layers, writable });
    try {
      await run(bench);
    } finally {
      await bench.remove();
    }
  };
  for (const [name, tests] of suites({ layers })) {
    describe(name, () => {
      for (const [title, run] of tests) test(title, withBench(run));
    });
  }
}
