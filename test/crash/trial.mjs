import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../support/eventually.mjs';
import { Host } from './host.mjs';
import { judgeHost, judgeRecovery } from './judge.mjs';
import { nameOf } from './plan.mjs';
import { isRunning, killShims } from './processes.mjs';
import { Strace } from './strace.mjs';

/** @import { Trial } from './plan.mjs' */
/** @import { World } from './world.mjs' */

/** Any trial is over in a fraction of this, on an emulated processor too. */
const longestMs = 60_000;

/**
 * How a host program was struck.
 *
 * @typedef {object} Strike
 * @property {boolean} reached Whether the point came.
 * @property {boolean} byItself Whether the host program was to live, but for what the trial did to it.
 * @property {number | undefined} shimsKilledAt Milliseconds since the epoch.
 */

/**
 * Carries out one trial with a host program that waits for orders.
 *
 * @param {World} world
 * @param {Trial} trial
 * @param {Host} host
 * @returns {Promise<{ reached: boolean, faults: string[] }>}
 */
export async function runTrial(world, trial, host) {
  const before = await world.look();
  const order = {
    trial,
    root: world.root,
    stateRoot: world.stateRoot(trial.number),
    specs: Object.fromEntries(trial.containers.map((container) => [container.id, world.spec(container)])),
  };
  /** @type {string[]} */
  const faults = [];
  const limit = new AbortController();
  try {
    const work = async () => {
      const strike = await strikeHost(world, order, host);
      await strikeAgain(order, host);
      faults.push(...judgeHost(trial, host, strike));
      faults.push(...(await judgeRecovery(world, trial, host, strike)));
      return strike.reached;
    };
    const late = delay(longestMs, undefined, { signal: limit.signal }).then(() => {
      throw new Error(`it comes to no end; last told: ${JSON.stringify(host.reports.at(-1))}`);
    });
    const reached = await Promise.race([work(), late]);
    const left = await eventually(
      () => world.differences(before),
      (found) => found.length === 0,
      5000,
    );
    return { reached, faults: [...faults, ...left] };
  } catch (error) {
    return {
      reached: true,
      faults: [...faults, `${nameOf(trial.point)}: ${error instanceof Error ? error.stack : error}`],
    };
  } finally {
    limit.abort();
    // One that cannot be killed is told of above.
    await Promise.race([host.kill(), delay(1000, undefined, { ref: false })]);
    world.forget(trial.number);
  }
}

/**
 * Has the host program do its part until it is dead.
 *
 * @param {World} world
 * @param {import('./host.mjs').Order} order
 * @param {Host} host
 * @returns {Promise<Strike>}
 */
async function strikeHost(world, order, host) {
  const { trial } = order;
  const { point } = trial;
  const ids = trial.containers.map(({ id }) => id);
  await host.ready;
  switch (point.type) {
    case 'time': {
      host.order(order);
      await delay(point.milliseconds);
      const wasDone = host.reports.some(({ type }) => type === 'done');
      if (point.victims !== 'shims') await host.kill();
      const shimsKilledAt = point.victims === 'host' || killShims(ids) === 0 ? undefined : Date.now();
      await end(trial, host);
      return { reached: !wasDone || shimsKilledAt !== undefined, byItself: point.victims === 'shims', shimsKilledAt };
    }
    case 'step': {
      host.order(order);
      await host.done;
      const reached = !isRunning(host.pid);
      const shimsKilledAt = point.shims && killShims(ids) > 0 ? Date.now() : undefined;
      await end(trial, host);
      return { reached, byItself: !reached, shimsKilledAt };
    }
    case 'end': {
      host.order(order);
      await host.done;
      const byItself = isRunning(host.pid);
      await end(trial, host);
      return { reached: true, byItself, shimsKilledAt: undefined };
    }
    default: {
      const strace = await Strace.attach(host.pid, point, world.traceFile);
      host.order(order);
      await host.done;
      const byItself = isRunning(host.pid);
      await strace.detach();
      await end(trial, host);
      return { reached: strace.hasStruck(), byItself: byItself || point.type === 'error', shimsKilledAt: undefined };
    }
  }
}

/**
 * Has a second host program take up what the first has left, and kills it, too. What it tells is added to what the first told.
 *
 * @param {import('./host.mjs').Order} order
 * @param {Host} host
 */
async function strikeAgain(order, host) {
  const { again } = order.trial;
  if (!again) return;
  const second = new Host();
  await second.ready;
  second.order({ ...order, trial: { ...order.trial, point: { type: 'end' }, containers: [], actions: again.actions } });
  await delay(again.milliseconds);
  await second.kill();
  host.reports.push(...second.reports.filter(({ type }) => type !== 'done'));
  host.stderr += second.stderr;
}

/** Ends a host program that has lived on. @param {Trial} trial @param {Host} host */
async function end(trial, host) {
  if (!isRunning(host.pid)) {
    await host.ended;
    return;
  }
  await host.done;
  if (trial.closes) {
    host.close();
    await host.ended;
  } else await host.kill();
}
