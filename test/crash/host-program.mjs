// A host program that is to be struck. It takes one line of orders, tells what it does, a line of JSON each, and lives on.
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createContainerizer, launchStepChannel } from '@gantry/containerizer';
import { isGantryError } from '@gantry/interface';

/** @import { Order, Report } from './host.mjs' */

/** Written at once: what was told before the end has happened. @param {Report} report */
const say = (report) => writeSync(1, `${JSON.stringify(report)}\n`);

/**
 * @param {string} op
 * @param {string} id
 * @param {() => Promise<void>} call
 */
async function attempt(op, id, call) {
  try {
    await call();
  } catch (error) {
    if (isGantryError(error)) say({ type: 'failed', op, id, code: error.code, message: error.message });
    else say({ type: 'untyped', op, id, message: error instanceof Error ? (error.stack ?? '') : String(error) });
  }
}

/**
 * @param {Order} order
 * @param {import('@gantry/interface').Containerizer} containerizer
 */
async function carryOut({ trial, specs }, containerizer) {
  /** @param {string} id */
  const launch = (id) =>
    attempt('launch', id, async () => {
      const { pid, shimPid } = await containerizer.launch(specs[id] ?? {});
      say({ type: 'running', id, pid: pid ?? 0, shimPid: shimPid ?? 0 });
    });
  const ids = trial.containers.map(({ id }) => id);
  if (trial.atOnce) await Promise.all(ids.map(launch));
  else for (const id of ids) await launch(id);
  for (const { op, id } of trial.actions) {
    if (op === 'launch') {
      await launch(id);
      continue;
    }
    if (op !== 'exec' && op !== 'usage') say({ type: 'ending', op, id });
    await attempt(op, id, async () => {
      if (op === 'kill') await containerizer.kill(id, 'SIGKILL');
      else if (op === 'stop') await containerizer.stop(id, { graceMs: 20 });
      else if (op === 'destroy') await containerizer.destroy(id);
      else if (op === 'usage') await containerizer.usage(id);
      else if (op === 'exec') await endOf(await containerizer.exec(id, { command: ['/bin/true'] }));
      else {
        await containerizer.remove(id);
        say({ type: 'removed', id });
      }
    });
  }
}

/** @param {import('@gantry/interface').EnteredProcess} process */
async function endOf(process) {
  await process.exit;
  await process[Symbol.asyncDispose]();
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
say({ type: 'ready' });
/** @type {Order} */
const order = JSON.parse((await lines.next()).value);
const { point } = order.trial;
if (point.type === 'step') {
  let left = point.nth;
  subscribe(launchStepChannel, () => {
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  });
}
await attempt('host program', '', async () => {
  const containerizer = await createContainerizer({ root: order.root, stateRoot: order.stateRoot });
  containerizer.on('state', ({ id, to }) => {
    if (to === 'DESTROYING') say({ type: 'noticed', id, at: Date.now() });
  });
  containerizer.on('terminated', (termination) => say({ type: 'terminated', termination }));
  await attempt('recover', '', async () => void (await containerizer.recover()));
  await carryOut(order, containerizer);
  say({ type: 'done' });
  // The end of the orders is the order to close. With nothing left to wait for, the program then ends by itself.
  await lines.next();
  await containerizer[Symbol.asyncDispose]();
});
say({ type: 'done' });
