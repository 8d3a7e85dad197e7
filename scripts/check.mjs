// Checks all that can be said of the code without running it: types, rules, imports, documentation.
import { runChecks } from './lib/checks.mjs';
import { main } from './lib/main.mjs';
import { setup } from './lib/setup.mjs';

await main(async () => {
  await setup();
  const { failed } = await runChecks();
  return failed.length > 0 ? 1 : 0;
});
