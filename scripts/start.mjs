// Sets up and runs the Marathon example with the arguments given, ending as it ends.
import { main } from './lib/main.mjs';
import { runInForeground } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';

await main(async () => {
  await setup();
  return runInForeground(process.execPath, ['examples/marathon/dist/main.js', ...process.argv.slice(2)]);
});
