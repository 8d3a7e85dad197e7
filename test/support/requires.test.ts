import { expect, it } from 'vitest';
import { whatIsMissing } from './requires.js';

it('finds nothing missing where all is there', () => {
  expect(whatIsMissing({ commands: ['sh', 'ls'] })).toEqual([]);
});

it('names what is missing and how to get it', () => {
  expect(whatIsMissing({ commands: ['sh', 'no-such-program'], packages: ['some-package'] })).toEqual([
    'needs no-such-program: apt-get install some-package',
  ]);
});

it('names root exactly where the tests do not run as root', () => {
  expect(whatIsMissing({ root: true })).toEqual(process.getuid?.() === 0 ? [] : ['needs root: run it with sudo']);
});
