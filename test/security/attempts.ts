import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Builds a static program of this folder, to run in containers, in another. */
export function buildProgram(name: string, folder: string): string {
  const path = join(folder, name);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  execFileSync('gcc', ['-static', '-O1', '-Wall', '-Werror', '-o', path, source]);
  return path;
}

/** What came of each attempt: 0, an errno, or `signal N`. */
export function outcomes(output: string): Record<string, string> {
  return Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
}
