import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a fake plugin was given. */
export interface Call {
  readonly type: string;
  readonly command: string;
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly stdin: { readonly [key: string]: unknown };
}

/** A folder of plugins that do what a test says. */
export class FakePlugins implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'gantry-cni-'));

  constructor(...types: string[]) {
    mkdirSync(join(this.folder, 'calls'));
    for (const type of types) {
      const path = join(this.folder, type);
      copyFileSync(join(import.meta.dirname, 'fake-plugin.sh'), path);
      chmodSync(path, 0o755);
    }
  }

  /** What a plugin is to do at a command: a shell script, with the configuration in `$stdin`. */
  script(type: string, command: string, script: string): this {
    writeFileSync(join(this.folder, `${type}.${command}`), script);
    return this;
  }

  /** What a plugin is to answer at a command. */
  answer(type: string, command: string, value: unknown): this {
    return this.script(type, command, `cat <<'ANSWER'\n${JSON.stringify(value)}\nANSWER\n`);
  }

  /** Fails with an error of the specification's. */
  fail(type: string, command: string, code: number, msg = 'no', details = 'for a reason'): this {
    const text = JSON.stringify({ cniVersion: '1.1.0', code, msg, details });
    return this.script(type, command, `printf '%s' '${text}'; exit 1`);
  }

  /** All calls so far, in order. */
  calls(): Call[] {
    return readdirSync(join(this.folder, 'calls'))
      .filter((name) => !name.endsWith('.part'))
      .sort()
      .map((name) => {
        const [, pid, type = '', command = ''] = /^\d+-(\d+)-(.*)-([A-Z]+)$/.exec(name) ?? [];
        const [environment = '', stdin = ''] = readFileSync(join(this.folder, 'calls', name), 'utf8').split('\n\n');
        const pairs = environment.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]);
        return {
          type,
          command,
          pid: Number(pid),
          environment: Object.fromEntries(pairs),
          stdin: JSON.parse(stdin || '{}') as Call['stdin'],
        };
      });
  }

  /** `bridge ADD`, in order. */
  order(): string[] {
    return this.calls().map(({ type, command }) => `${type} ${command}`);
  }

  forget(): void {
    rmSync(join(this.folder, 'calls'), { recursive: true });
    mkdirSync(join(this.folder, 'calls'));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
