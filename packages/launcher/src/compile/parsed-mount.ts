import type { OciMount } from '@gantry/interface';
import type { MountOptions } from './mount-options.js';

/** A mount of the document with its options sorted; `field` is its JSON path. */
export interface ParsedMount {
  readonly mount: OciMount;
  readonly options: MountOptions;
  readonly field: string;
}
