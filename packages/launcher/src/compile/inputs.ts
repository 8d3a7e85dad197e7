import type { LaunchSecrets } from '@gantry/interface';

/** The secrets of a launch, or `masked` for a plan that only shows where they would be. */
export type CompileSecrets = LaunchSecrets | 'masked';

/** What a plan needs besides the request. */
export interface CompileInputs {
  readonly secrets: CompileSecrets;
  /** See `LaunchOptions.pins`. */
  readonly pins?: Readonly<Record<string, string>>;
  /** Whether the process can have a mount namespace before its root is known: from Linux 6.8 on. Default false. */
  readonly stages?: boolean;
}

/** For a plan to be shown. */
export const forShow: CompileInputs = { secrets: 'masked' };

/** The secrets of a launch that has none. */
export const noSecrets: LaunchSecrets = { env: new Map(), files: new Map() };
