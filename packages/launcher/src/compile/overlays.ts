import type { OverlayStep } from '../protocol.generated.js';
import { toMountAttributes } from './mount-options.js';
import type { ParsedMount } from './parsed-mount.js';
import { absolutePath, invalid, unsupported } from './refusal.js';

/** An overlay mount below the root: its folders are the file system's options, as mount(8) takes them. */
export function compileOverlay({ mount, options, field }: ParsedMount, staging: string): OverlayStep {
  const place = `${field}.options`;
  const folders = new Map<string, string>();
  let userxattr = 0;
  for (const option of options.data) {
    const [name = '', value] = split(option);
    if (name === 'userxattr' && value === undefined) userxattr = 1;
    else if (/^(lowerdir|upperdir|workdir)$/.test(name) && value !== undefined) folders.set(name, value);
    else throw unsupported(place, `the option ${option} is not supported on an overlay`);
  }
  const lowerdir = folders.get('lowerdir');
  if (lowerdir === undefined) throw invalid(place, 'an overlay needs lowerdir');
  const upper = folders.get('upperdir');
  const work = folders.get('workdir');
  if (upper === undefined || work === undefined) throw unsupported(place, 'an overlay needs upperdir and workdir');
  const lower = lowerdir.split(/(?<!\\):/).map((folder) => absolutePath(folder.replaceAll('\\:', ':'), place));
  return {
    op: 'overlay',
    target: absolutePath(mount.destination, `${field}.destination`),
    staging,
    // The specification's, and mount(8)'s, are highest first.
    lower: lower.reverse(),
    upper: absolutePath(upper, place),
    work: absolutePath(work, place),
    userxattr,
    attributes: toMountAttributes(options.flags, place),
  };
}

function split(option: string): [string, string?] {
  const at = option.indexOf('=');
  return at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}
