import type { Pressure, PressureFigures } from '@gantry/interface';
import type { CgroupFiles } from './cgroups.js';

/** What a `.pressure` file tells; undefined if it is absent, or its kernel counts nothing. Linux documentation, accounting/psi. */
export function pressureIn(files: CgroupFiles, name: string): Pressure | undefined {
  const lines = new Map(
    files
      .get(name)
      ?.split('\n')
      .map((line) => [line.split(' ', 1)[0] ?? '', line]),
  );
  const [some, full] = [figuresOf(lines.get('some')), figuresOf(lines.get('full'))];
  return some && { some, ...(full ? { full } : {}) };
}

function figuresOf(line: string | undefined): PressureFigures | undefined {
  if (line === undefined) return undefined;
  const figure = (key: string) => Number(new RegExp(` ${key}=([\\d.]+)`).exec(line)?.[1] ?? 0);
  return { avg10: figure('avg10'), avg60: figure('avg60'), avg300: figure('avg300'), total: figure('total') * 1000 };
}
