/** One run of a plugin. */
export interface PluginCall {
  /** Of the executable. */
  readonly path: string;
  /** All of it: nothing comes from the caller's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin: string;
}

export interface PluginOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined if it was killed. */
  readonly code?: number;
  readonly signal?: string;
}

export interface ExecOptions {
  /** Ends the plugin and all that it has started. */
  readonly signal?: AbortSignal;
  /** Milliseconds after which it is ended. */
  readonly timeoutMs: number;
}

/** How plugins are run. */
export interface Exec {
  /**
   * Resolves when the plugin has ended, however it did. `TIMEOUT`, `ABORTED` and `LIMIT_EXCEEDED` (more output than any
   * plugin has reason for) once it was ended; `SYSTEM` if it could not be started.
   */
  run(call: PluginCall, options: ExecOptions): Promise<PluginOutput>;
}
