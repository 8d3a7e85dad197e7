// Brings a fresh checkout to where everything in it runs. Quick when there is nothing to do.
import { main } from './lib/main.mjs';
import { setup } from './lib/setup.mjs';

await main(setup);
