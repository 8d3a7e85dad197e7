import { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';

const version = '1.0.0';

/**
 * Checks the `oci-layout` file, which makes a folder or archive an OCI image layout. `INVALID_DOCUMENT` for one that is
 * malformed or of another version than 1.0.0. OCI image-spec, image-layout.md#oci-layout-file.
 */
export function checkOciLayout(bytes: Uint8Array): void {
  const fields = JsonFields.decode('oci-layout', bytes, ['imageLayoutVersion']);
  const actual = fields.requiredString('imageLayoutVersion');
  if (actual !== version) throw fields.invalid('imageLayoutVersion', `${quote(actual)} is not ${quote(version)}`);
}
