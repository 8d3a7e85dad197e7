import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { dockerRegistry } from './docker-registry.js';
import { requires } from './requires.js';

requires({ commands: ['docker-registry'] })('the real registry', () => {
  it('answers where it says, and is gone when it was disposed of', async () => {
    const registry = await dockerRegistry();
    const answer = await fetch(`http://${registry.address}/v2/`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('docker-distribution-api-version')).toBe('registry/2.0');
    await answer.text();
    await registry[Symbol.asyncDispose]();
    expect(existsSync(`/proc/${registry.pid}`)).toBe(false);
    await expect(fetch(`http://${registry.address}/v2/`)).rejects.toThrow();
  });
});
