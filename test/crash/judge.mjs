import { isDeepStrictEqual } from 'node:util';
import { createContainerizer } from '@gantry/containerizer';
import { isRunning } from './processes.mjs';

/** @import { Containerizer, ContainerTermination, RecoveryReport } from '@gantry/interface' */
/** @import { Host, Report } from './host.mjs' */
/** @import { PlannedContainer, Trial } from './plan.mjs' */
/** @import { Strike } from './trial.mjs' */
/** @import { World } from './world.mjs' */

/** A shim that was killed is to be noticed within this many milliseconds. */
const noticeMs = 1000;

/**
 * What the host program told, of one kind.
 *
 * @template {Report['type']} T
 * @param {readonly Report[]} reports
 * @param {T} type
 */
const told = (reports, type) =>
  reports.filter((report) => report.type === type).map((report) => /** @type {Report & { type: T }} */ (report));

/** What it told of one container, since it last forgot one of that id. @param {Host} host @param {string} id */
function reportsOf(host, id) {
  const all = host.reports.filter(
    (report) => ('id' in report && report.id === id) || (report.type === 'terminated' && report.termination.id === id),
  );
  return all.slice(all.findLastIndex(({ type }) => type === 'removed') + 1);
}

/**
 * What the host program did wrong while it lived.
 *
 * @param {Trial} trial
 * @param {Host} host
 * @param {Strike} strike
 * @returns {string[]}
 */
export function judgeHost(trial, host, strike) {
  const faults = told(host.reports, 'untyped').map(({ op, id, message }) => `${op} ${id}: untyped error: ${message}`);
  if (host.stderr !== '') faults.push(`the host program wrote: ${host.stderr}`);
  if (strike.byItself && told(host.reports, 'done').length === 0) faults.push('the host program ended by itself');
  for (const { id } of trial.containers) faults.push(...judgeLife(trial, id, host, strike));
  return faults;
}

/** Whether nothing was done to the trial but that its host program was killed. @param {Trial} trial @param {Strike} strike */
function isCertain({ point }, { shimsKilledAt }) {
  return (point.type === 'step' || point.type === 'time') && shimsKilledAt === undefined;
}

/**
 * @param {Trial} trial
 * @param {string} id
 * @param {Host} host
 * @param {Strike} strike
 */
function judgeLife(trial, id, host, strike) {
  /** @type {string[]} */
  const faults = [];
  const { shimsKilledAt = Number.POSITIVE_INFINITY } = strike;
  const certain = isCertain(trial, strike);
  const kind = trial.containers.find((container) => container.id === id)?.kind;
  const reports = reportsOf(host, id);
  const wasAsked = told(reports, 'ending').length > 0;
  for (const { op, code, message } of told(reports, 'failed')) {
    // One that has ended, by itself or since its host program died while it launched it, is not launched again before it is removed.
    const hasBeen = told(reports, 'running').length + told(reports, 'terminated').length > 0;
    const isAgain = code === 'ALREADY_EXISTS' && hasBeen;
    if (certain && op === 'launch' && kind !== 'absent' && !wasAsked && !isAgain)
      faults.push(`launch ${id}: ${code}: ${message}`);
  }
  const endings = told(reports, 'terminated').map(({ termination }) => termination);
  // An end that could not be written, because writing failed, the next host program tells anew.
  if (endings.length > (trial.again && trial.point.type === 'error' ? 2 : 1))
    faults.push(`${id}: terminated ${endings.length} times`);
  for (const termination of endings) {
    if (termination.exit?.type !== 'unknown') continue;
    // What could not be started has no other end.
    if (certain && kind !== 'absent') faults.push(`${id}: its end is not known: ${JSON.stringify(termination)}`);
  }
  const isLost = endings.some(({ exit }) => exit?.type === 'unknown');
  for (const { at } of isLost ? told(reports, 'noticed') : []) {
    if (at - shimsKilledAt > noticeMs)
      faults.push(`${id}: the end of its shim was noticed after ${at - shimsKilledAt} ms`);
  }
  return faults;
}

/**
 * Recovers what is left, has every container end and forgets it; tells what is not as it should be.
 *
 * @param {World} world
 * @param {Trial} trial
 * @param {Host} host
 * @param {Strike} strike
 * @returns {Promise<string[]>}
 */
export async function judgeRecovery(world, trial, host, strike) {
  /** @type {string[]} */
  const faults = [];
  const folders = { root: world.root, stateRoot: world.stateRoot(trial.number) };
  // A shim that was killed may still be there for a moment.
  const expected = strike.shimsKilledAt === undefined ? expectedToRun(trial, host) : [];
  const containerizer = await createContainerizer(folders);
  /** @type {ContainerTermination[]} */
  const events = [];
  containerizer.on('terminated', (termination) => events.push(termination));
  const report = await containerizer.recover();
  faults.push(...report.failed.map(({ id, message }) => `recovery of ${id} failed: ${message}`));
  faults.push(...report.foreign.map((id) => `${id}: it is said to be of another live host program`));
  for (const id of expected) if (!report.running.includes(id)) faults.push(`${id}: it ran and was not found`);
  faults.push(...(await useRunning(containerizer, trial.containers.filter(isLasting), report)));
  const terminations = await endAll(containerizer, faults);
  faults.push(...judgeTerminations(trial, host, strike, terminations, events));
  if (!isEmpty(await containerizer.recover())) faults.push('a second recovery found something');
  await containerizer[Symbol.asyncDispose]();

  const third = await createContainerizer(folders);
  const again = await third.recover();
  if (!isEmpty(again)) faults.push(`a third host program found something: ${JSON.stringify(again)}`);
  const later = await endAll(third, faults);
  if (!isDeepStrictEqual(later, terminations)) faults.push('a third host program finds other terminations');
  for (const id of later.keys()) await third.remove(id);
  await third[Symbol.asyncDispose]();
  await world.collectGarbage();
  return faults;
}

/**
 * Containers that do not end by themselves, that the host program said run, whose end nobody asked for, and whose processes are there.
 *
 * @param {Trial} trial
 * @param {Host} host
 */
function expectedToRun(trial, host) {
  return trial.containers
    .filter(isLasting)
    .map(({ id }) => ({ id, reports: reportsOf(host, id) }))
    .filter(({ reports }) => told(reports, 'ending').length + told(reports, 'terminated').length === 0)
    .filter(({ reports }) => told(reports, 'running').some(({ pid, shimPid }) => isRunning(pid) && isRunning(shimPid)))
    .map(({ id }) => id);
}

/** @param {PlannedContainer} container */
function isLasting({ kind }) {
  return kind !== 'brief' && kind !== 'absent';
}

/**
 * Whether what was found running can be used: starts a program in it, then kills it.
 *
 * @param {Containerizer} containerizer
 * @param {readonly PlannedContainer[]} containers
 * @param {RecoveryReport} report
 */
async function useRunning(containerizer, containers, { running }) {
  /** @type {string[]} */
  const faults = [];
  for (const id of containers.map((container) => container.id).filter((id) => running.includes(id))) {
    // The end that a host program had asked for may come only now.
    if ((await containerizer.status(id)).state !== 'RUNNING') continue;
    try {
      await endOf(await containerizer.exec(id, { command: ['/bin/true'] }), faults, id);
      await containerizer.kill(id, 'SIGKILL');
    } catch (error) {
      const { exit } = await containerizer.destroy(id);
      if (exit?.type !== 'signaled') faults.push(`${id}: it cannot be used: ${error}, ${JSON.stringify(exit)}`);
    }
    const { exit } = await containerizer.wait(id);
    if (exit?.type !== 'signaled') faults.push(`${id}: killed, it ended so: ${JSON.stringify(exit)}`);
  }
  return faults;
}

/**
 * @param {import('@gantry/interface').EnteredProcess} process
 * @param {string[]} faults
 * @param {string} id
 */
async function endOf(process, faults, id) {
  const exit = await process.exit;
  await process[Symbol.asyncDispose]();
  if (exit.type !== 'exited' || exit.code !== 0) faults.push(`${id}: a program in it: ${JSON.stringify(exit)}`);
}

/**
 * @param {Containerizer} containerizer
 * @param {string[]} faults
 */
async function endAll(containerizer, faults) {
  /** @type {Map<string, ContainerTermination>} */
  const terminations = new Map();
  for await (const { id } of containerizer.containers()) {
    try {
      terminations.set(id, await containerizer.destroy(id));
    } catch (error) {
      faults.push(`destroying ${id}: ${error}`);
    }
  }
  return terminations;
}

/**
 * @param {Trial} trial
 * @param {Host} host
 * @param {Strike} strike
 * @param {ReadonlyMap<string, ContainerTermination>} terminations
 * @param {readonly ContainerTermination[]} events
 */
function judgeTerminations(trial, host, strike, terminations, events) {
  /** @type {string[]} */
  const faults = [];
  const certain = isCertain(trial, strike);
  for (const { id, kind } of trial.containers) {
    const reports = reportsOf(host, id);
    const now = terminations.get(id);
    const before = told(reports, 'terminated').at(-1)?.termination;
    const ran = told(reports, 'running').length > 0;
    const asked = told(reports, 'ending');
    const times = events.filter((event) => event.id === id).length;
    if (times > 1) faults.push(`${id}: terminated ${times} times`);
    if (ran && !now && !asked.some(({ op }) => op === 'remove')) faults.push(`${id}: no termination is left of it`);
    // What could not be written, because writing failed, only those who were there can know.
    if (before && trial.point.type !== 'error') {
      if (times > 0) faults.push(`${id}: terminated a second time`);
      if (now && !isDeepStrictEqual(before, now)) faults.push(`${id}: two ends: ${JSON.stringify([before, now])}`);
    }
    const isKill = trial.point.type === 'step' || trial.point.type === 'time';
    if (!isKill || !ran || !now) continue;
    if (now.exit === undefined || (certain && now.exit.type === 'unknown'))
      faults.push(`${id}: it ran, and its end is said to be ${JSON.stringify(now)}`);
    if (certain && kind === 'brief' && asked.length === 0 && !(now.exit?.type === 'exited' && now.exit.code === 3))
      faults.push(`${id}: it ended with 3, and is said to have ended otherwise: ${JSON.stringify(now)}`);
  }
  return faults;
}

/** @param {RecoveryReport} report */
function isEmpty({ running, cleaned, foreign, failed }) {
  return running.length + cleaned.length + foreign.length + failed.length === 0;
}
