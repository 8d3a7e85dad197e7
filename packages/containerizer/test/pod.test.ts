import type { ContainerTermination, PodSpec } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { checkPod, isOver } from '../src/pod.js';
import { PodVolumes } from '../src/volumes.js';

const volumes = new PodVolumes('/volumes');
const container = { image: 'box', command: ['true'] };
const check = (spec: Partial<PodSpec>) => checkPod({ containers: [container], ...spec }, volumes);
const ended = (code: number): ContainerTermination => ({
  id: 'x',
  exit: { type: 'exited', code, at: 0 },
  destroyed: false,
  at: 0,
});

describe('a pod', () => {
  it('is a sandbox and containers nested in it, with its volumes as folders of the host', () => {
    const mounts = [
      { type: 'volume', source: 'data', target: '/data', readonly: true },
      { type: 'tmpfs', target: '/tmp' },
    ] as const;
    const pod = check({
      id: 'pod',
      hostname: 'name',
      volumes: ['data'],
      share: ['network', 'pid'],
      containers: [{ ...container, id: 'one', mounts }, container],
    });
    expect(pod.sandbox).toEqual({ id: 'pod', hostname: 'name', sandbox: true });
    expect(pod.containers[0]).toEqual({
      ...container,
      id: 'one',
      parent: 'pod',
      share: ['network', 'pid'],
      mounts: [{ type: 'bind', source: '/volumes/pod/data', target: '/data', readonly: true }, mounts[1]],
    });
    expect(pod.record).toMatchObject({
      containers: ['one', pod.containers[1]?.id],
      volumes: ['data'],
      endsWith: 'failure',
    });
  });

  it('is the same with other credentials, and another with anything else', () => {
    const withPassword = (password: string) =>
      check({ containers: [{ ...container, pull: { credentials: { username: 'me', password } } }] }).record.digest;
    expect(withPassword('a')).toBe(withPassword('b'));
    expect(check({ hostname: 'a' }).record.digest).not.toBe(check({ hostname: 'b' }).record.digest);
  });

  it('may not have two containers of one id, nor one of its own', () => {
    const twice = { ...container, id: 'one' };
    expect(() => check({ containers: [twice, twice] })).toThrow('there are two containers of the id one');
    expect(() => check({ id: 'one', containers: [twice] })).toThrow('there are two containers of the id one');
  });

  it.each([
    ['first', [undefined, ended(0)], true],
    ['first', [undefined, undefined], false],
    ['failure', [undefined, ended(0)], false],
    ['failure', [undefined, ended(1)], true],
    ['failure', [ended(0), ended(0)], true],
    ['last', [undefined, ended(1)], false],
    ['last', [ended(0), ended(1)], true],
  ] as const)('that ends with its %s, with %o, is over: %s', (endsWith, ends, over) => {
    expect(isOver(endsWith, ends)).toBe(over);
  });
});
