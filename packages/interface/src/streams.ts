import type { Readable, Writable } from 'node:stream';
import type { CallOptions } from './options.js';

/** Character cells. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/**
 * How a log is written. `cri`: lines of the Kubernetes CRI log format. `json`: an object a line, with `log` (its line end
 * in it, if there was one), or `base64` for what is not UTF-8, `stream` and `time`. `plain`: the bytes as they are, one
 * file a stream, without times.
 */
export type LogFormat = 'cri' | 'json' | 'plain';

/** How the shim keeps what a container writes. */
export interface LogSettings {
  /** Default `cri`. */
  readonly format?: LogFormat;
  /** Bytes that a log file has at most before it is rotated; at least 4096. Default: the launcher's. */
  readonly maxBytes?: number;
  /** Log files kept, the current one included; 1 to 1000. Default: the launcher's. */
  readonly maxFiles?: number;
}

/** A place in a container's log, just behind an entry; to be kept as it is. Only that container's log understands it. */
export type LogPosition = string;

/** One line or piece of line that a container wrote. */
export interface LogEntry {
  /** Milliseconds since the epoch, with fractions; of the `plain` format, when it was read. */
  readonly at: number;
  readonly stream: 'stdout' | 'stderr';
  /** The bytes written, line end included where there was one. */
  readonly data: Uint8Array;
  /** Where the next entry begins. */
  readonly position: LogPosition;
}

export interface LogOptions {
  readonly signal?: AbortSignal;
  /** Keep waiting for more until the container ends. Default false. */
  readonly follow?: boolean;
  readonly stream?: 'stdout' | 'stderr';
  /** Begin behind an entry that was read before. `NOT_FOUND` if that place was rotated away. Default: the oldest entry. */
  readonly from?: LogPosition;
  /** Leave out what was written before: milliseconds since the epoch. `UNSUPPORTED` for the `plain` format. */
  readonly since?: number;
  /** Of what is there at the start, the last so many lines only; 0 for none. Default: all. */
  readonly tail?: number;
}

export interface AttachOptions extends CallOptions {
  /**
   * Where the output begins: with all that is still in the log, with what is written from now on, or behind an entry of the log
   * (`NOT_FOUND` if that place was rotated away). Default `now`. A plain log's position that names one stream leaves the other at its start.
   */
  readonly from?: 'start' | 'now' | { readonly position: LogPosition };
  /** Whether to write to the container's input. `WRONG_STATE` if it has none. Default false. */
  readonly stdin?: boolean;
}

/**
 * One client of a container's streams. Output comes through the log, so one that reads slowly holds up nobody, and fails
 * with `LIMIT_EXCEEDED` once what it has yet to read was rotated away. Disposing it detaches: the container's input stays open.
 */
export interface Attachment extends AsyncDisposable {
  /**
   * The container's standard input, if it was asked for. Waits while the container does not read. Ending it is the end
   * of the input for the container, whoever else is attached; of a terminal it is as if ^D had been typed. Destroying it is not.
   */
  readonly stdin?: Writable;
  /** Ends once the container has. */
  readonly stdout: Readable;
  /** Empty if the container has a terminal. */
  readonly stderr: Readable;
  /** Sets the size of the terminal, for all. `WRONG_STATE` if there is none; does nothing once the container has ended. */
  resize(size: TerminalSize, options?: CallOptions): Promise<void>;
}
