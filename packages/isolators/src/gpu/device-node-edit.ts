import type { OciDevice, OciDeviceRule } from '@gantry/interface';
import { refused } from '../errors.js';
import { devicePlace } from '../linux/device-place.js';
import type { OwnedEdits } from './cdi-registry.js';
import type { CdiDeviceNode } from './cdi-spec.js';
import type { EditSetting } from './edit-setting.js';

/** A node, and leave to use it, if any. What the description leaves open is as on the host. Pure. */
export function deviceEdit(
  node: CdiDeviceNode,
  { owner, file }: OwnedEdits,
  setting: EditSetting,
): { readonly node: OciDevice; readonly rule: OciDeviceRule | undefined } {
  const { isolator, host, user, ownUsers, unguarded } = setting;
  const hostPath = node.hostPath ?? node.path;
  const refuse = (problem: string, remedy: string, details = {}) =>
    refused(isolator, `${owner}, described in ${file}, asks for the device ${hostPath}, ${problem}`, remedy, {
      details: { file, path: hostPath, ...details },
    });
  const found = host.nodes.get(hostPath);
  const there = typeof found === 'object' ? found : undefined;
  const isWhole = node.type === 'p' || (node.type !== undefined && node.major !== undefined && node.major !== 0);
  // In a user namespace the host's own node is what the container gets.
  if (!there && (!isWhole || ownUsers)) {
    throw refuse(`which cannot be had (${String(found)})`, 'load its driver, or have the file made anew', {
      errno: found,
    });
  }
  const type = node.type === 'u' ? 'c' : (node.type ?? there?.type ?? 'c');
  if (there && !isWhole && there.type !== type) {
    throw refuse(`which is of type ${there.type}, not ${type}`, 'have the file made anew');
  }
  const path = devicePlace(isolator, node.path, `${file}: ${owner}`);
  if (ownUsers && hostPath !== path) {
    throw refuse(`which cannot be had at ${path} in a user namespace`, 'use another device there');
  }
  const access = node.permissions === 'none' ? '' : node.permissions || 'rwm';
  if (unguarded !== undefined && access.length < 3 && type !== 'p') {
    throw refuse(`and nothing would hold the container to '${node.permissions}'`, unguarded);
  }
  const major = (isWhole ? node.major : node.major || there?.major) ?? 0;
  const minor = (isWhole || node.major ? node.minor : there?.minor) ?? 0;
  return {
    node: {
      type,
      path,
      ...(type === 'p' ? {} : { major, minor }),
      fileMode: node.fileMode ?? there?.mode ?? 0o666,
      uid: node.uid ?? (user.uid || there?.uid || 0),
      gid: node.gid ?? (user.gid || there?.gid || 0),
    },
    rule: type === 'p' || access === '' ? undefined : { allow: true, type, major, minor, access },
  };
}
