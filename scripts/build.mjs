// Builds every workspace: JavaScript by tsup, declarations by tsc.
import { build } from './lib/build.mjs';
import { main } from './lib/main.mjs';
import { step } from './lib/step.mjs';

await main(() => step('packages', build));
