import { invalid } from './errors.js';

const identifier = /^[a-zA-Z0-9][\w.-]*$/;

/** Whether a text is a network's name, or a container's id, as the specification wants them (section 1, section 2). */
export function isIdentifier(text: string): boolean {
  return identifier.test(text);
}

/** Plugins are files of the folders that are searched, and nothing else (CVE-2021-20206). */
export function isPluginType(type: string): boolean {
  return type !== '' && type !== '.' && type !== '..' && !/[/\\\0]/.test(type);
}

/** `INVALID_ARGUMENT` unless the text may be a CNI_CONTAINERID. */
export function checkContainerID(id: string): void {
  if (!isIdentifier(id)) {
    throw invalid('containerID', `'${id}' must be letters, digits, '_', '.' and '-', with a letter or a digit first`);
  }
}

/** `INVALID_ARGUMENT` unless the kernel takes the text for the name of an interface. */
export function checkInterfaceName(name: string, field = 'ifName'): void {
  const length = Buffer.byteLength(name);
  if (length < 1 || length > 15 || name === '.' || name === '..' || /[/:\s\0]/.test(name)) {
    throw invalid(field, `'${name}' must be 1 to 15 bytes, neither '.' nor '..', without '/', ':' and spaces`);
  }
}
