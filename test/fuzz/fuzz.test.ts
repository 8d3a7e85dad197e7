import { describe, expect, it } from 'vitest';
import { fuzz } from './fuzz.mjs';
import { loadSamples } from './samples.mjs';
import { makeTrial, runTrial } from './trial.mjs';

const seconds = 30;
const isRoot = process.geteuid?.() === 0;

describe('fuzzing', () => {
  it('makes the same trial of the same seed and number', async () => {
    const [once, again] = [makeTrial(await loadSamples(), 7, 99), makeTrial(await loadSamples(), 7, 99)];
    expect(again.target.name).toBe(once.target.name);
    expect(again.bytes.equals(once.bytes)).toBe(true);
    const others = new Set(Array.from({ length: 20 }, (_, i) => i));
    const samples = await loadSamples();
    expect(new Set([...others].map((i) => makeTrial(samples, 7, i).bytes.toString('base64'))).size).toBeGreaterThan(15);
  });

  it('notices what breaks the rules', async () => {
    const target = (run: (bytes: Buffer) => Promise<string>) => ({ name: 't', kind: 'tar' as const, weight: 1, run });
    const thrower = target(() => Promise.reject(new TypeError('oops')));
    await expect(runTrial(thrower, Buffer.alloc(1))).rejects.toThrow(TypeError);
    let calls = 0;
    const fickle = target(async () => String(calls++));
    await expect(runTrial(fickle, Buffer.alloc(1))).rejects.toThrow(/second time/);
  });

  it(`finds nothing in ${seconds} seconds${isRoot ? '' : ' (without applyLayer, which needs root)'}`, async () => {
    // A new seed each day: over time they add up.
    const seed = Math.floor(Date.now() / 86_400_000);
    const { verdicts, failure } = await fuzz({ seed, seconds });
    expect(failure, `seed ${seed}`).toBeUndefined();
    const total = [...verdicts.values()].reduce((sum, times) => sum + times, 0);
    expect(total).toBeGreaterThan(50);
    expect([...verdicts.keys()].filter((verdict) => verdict.endsWith(': ok')).length).toBeGreaterThan(3);
  });
});
