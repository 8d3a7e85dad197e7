import * as is from '../fields.js';

/** What is asked of a container, from inside its namespaces. */
export type HealthProbe =
  /**
   * A program, started as `Containerizer.exec` does; healthy if it exits with 0. Its input is empty. It is ended with the probe, but what
   * it leaves behind in the background is a part of the container.
   */
  | {
      readonly type: 'command';
      readonly command: readonly string[];
      readonly env?: Readonly<Record<string, string>>;
      readonly user?: string;
    }
  /** Healthy if somebody listens on the port of the container's loopback. */
  | { readonly type: 'tcp'; readonly port: number }
  /** GET over HTTP/1.1; healthy by the status of the answer. Redirects are not followed. */
  | {
      readonly type: 'http';
      readonly port: number;
      /** With its query. Default `/`. */
      readonly path?: string;
      readonly headers?: Readonly<Record<string, string>>;
      /** Statuses that are healthy, both included. Default 200 to 399. */
      readonly expect?: { readonly from: number; readonly to: number };
    };

/** When a container is asked, and what its answers mean. Times are milliseconds; defaults are those of Kubernetes. */
export interface HealthTimes {
  /** From the container's start to the first probe. Default 0. */
  readonly delayMs?: number;
  /** From the end of a probe to the next. Default 10 000. */
  readonly intervalMs?: number;
  /** A probe that takes longer is ended, and has failed. Default 1000. */
  readonly timeoutMs?: number;
  /** From the container's start: failures before the first success do not count meanwhile. Default 0. */
  readonly gracePeriodMs?: number;
  /** So many failures in a row make it unhealthy. Default 3. */
  readonly failures?: number;
  /** So many successes in a row make it healthy. Default 1. */
  readonly successes?: number;
}

/** How a container's health is found out. */
export type HealthCheck = HealthProbe & HealthTimes;

const maxMs = 2 ** 31 - 1;
const port = is.integer(1, 65535);
const status = is.integer(100, 999);

/** Visible characters of ASCII: others in a request line are for nobody to guess. */
const requestPath: is.Check = (value, field) => {
  is.absolutePath(value, field);
  if (!/^[\x21-\x7e]+$/.test(String(value))) throw is.invalid(field, 'must be visible ASCII; percent-encode the rest');
};

/** RFC 9110, 5.1. */
const headerName: is.Check = (value, field) => {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(String(value))) throw is.invalid(field, 'is not a name of a header');
};

/** RFC 9110, 5.5. */
const headerValue: is.Check = (value, field) => {
  is.string(value, field);
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(String(value))) throw is.invalid(field, 'must be one line of Latin-1');
};

const common = {
  type: is.string,
  delayMs: is.integer(0, maxMs),
  intervalMs: is.integer(1, maxMs),
  timeoutMs: is.integer(1, maxMs),
  gracePeriodMs: is.integer(0, maxMs),
  failures: is.integer(1, maxMs),
  successes: is.integer(1, maxMs),
};

const checks: Readonly<Record<HealthProbe['type'], is.Check>> = {
  command: is.object(
    { ...common, command: is.list(is.string), env: is.record(is.nonEmptyString, is.string), user: is.nonEmptyString },
    ['command'],
  ),
  tcp: is.object({ ...common, port }, ['port']),
  http: is.object(
    {
      ...common,
      port,
      path: requestPath,
      headers: is.record(headerName, headerValue),
      expect: is.object({ from: status, to: status }, ['from', 'to']),
    },
    ['port'],
  ),
};

/** A check that passed, with every time. */
export type CompleteHealthCheck = HealthProbe & Required<HealthTimes>;

/** Checks the shape and fills in the defaults; the result is a copy. `INVALID_ARGUMENT` with `details.field`. */
export function completeCheck(check: HealthCheck): CompleteHealthCheck {
  const type: unknown = typeof check === 'object' && check !== null ? check.type : undefined;
  is.oneOf(...Object.keys(checks))(type, 'check.type');
  checks[check.type](check, 'check');
  if (check.type === 'command' && check.command.length === 0) throw is.invalid('check.command', 'must not be empty');
  return {
    ...structuredClone(check),
    delayMs: check.delayMs ?? 0,
    intervalMs: check.intervalMs ?? 10_000,
    timeoutMs: check.timeoutMs ?? 1000,
    gracePeriodMs: check.gracePeriodMs ?? 0,
    failures: check.failures ?? 3,
    successes: check.successes ?? 1,
  };
}
