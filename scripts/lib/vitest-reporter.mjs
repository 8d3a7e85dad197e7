import { writeFileSync } from 'node:fs';
import { markedLine, reportVariable } from './test-report.mjs';

/**
 * @typedef {import('vitest/node').Reporter} Reporter
 * @typedef {import('vitest/node').TestCase} TestCase
 * @typedef {import('vitest/node').TestModule} TestModule
 * @typedef {import('vitest/node').TestSuite} TestSuite
 */

/**
 * Reports a run as a TestReport. Whatever went wrong outside of a test counts as a failure, too.
 * @implements {Reporter}
 */
export default class GantryReporter {
  /**
   * @param {ReadonlyArray<TestModule>} modules
   * @param {ReadonlyArray<import('vitest').SerializedError>} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const report = reportOf(modules, unhandledErrors);
    const path = process.env[reportVariable];
    if (path === '-') console.log(markedLine(report));
    else if (path) writeFileSync(path, JSON.stringify(report));
  }
}

/**
 * @param {ReadonlyArray<TestModule>} modules
 * @param {ReadonlyArray<import('vitest').SerializedError>} unhandledErrors
 * @returns {import('./test-report.mjs').TestReport}
 */
function reportOf(modules, unhandledErrors) {
  let passed = 0;
  const failed = unhandledErrors.map(({ message }) => `outside of any test: ${message.split('\n')[0]}`);
  /** @type {Map<string, { name: string, tests: number, reason?: string }>} */
  const skipped = new Map();
  for (const module of modules) {
    failed.push(...brokenSuites(module));
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === 'passed') passed += 1;
      else if (result.state === 'skipped') addSkipped(skipped, test, result.note);
      else failed.push(`${nameOf(test)}${result.state === 'pending' ? ' (never ended)' : reasonOf(result.errors)}`);
    }
  }
  return { passed, failed, skipped: [...skipped.values()] };
}

/**
 * The first line of what a test failed with, for where only the summary is kept.
 * @param {ReadonlyArray<{ message: string }> | undefined} errors
 */
function reasonOf(errors) {
  const line = errors?.[0]?.message.split('\n')[0] ?? '';
  return line && `: ${line.slice(0, 300)}`;
}

/**
 * Files that could not be loaded and suites whose hooks failed: vitest then calls their tests skipped.
 * @param {TestModule} module
 */
function brokenSuites(module) {
  const broken = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0).map(nameOf);
  return module.errors().length > 0 ? [module.relativeModuleId, ...broken] : broken;
}

/**
 * @param {Map<string, { name: string, tests: number, reason?: string }>} skipped
 * @param {TestCase} test
 * @param {string | undefined} reason
 */
function addSkipped(skipped, test, reason) {
  /** @type {TestCase | TestSuite} */
  let outermost = test;
  for (let parent = test.parent; parent.type === 'suite'; parent = parent.parent) {
    if (parent.options.mode === 'skip') outermost = parent;
  }
  const name = nameOf(outermost);
  const entry = skipped.get(name);
  if (entry) entry.tests += 1;
  else skipped.set(name, { name, tests: 1, ...(reason && { reason }) });
}

/** @param {TestCase | TestSuite} task */
const nameOf = (task) => `${task.module.relativeModuleId} > ${task.fullName}`;
