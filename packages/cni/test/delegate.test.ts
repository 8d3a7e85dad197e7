import { expect, it } from 'vitest';
import { delegate } from '../src/index.js';
import { FakePlugins } from './fake-plugins.js';

const config = JSON.stringify({ cniVersion: '1.0.0', name: 'net', type: 'main', ipam: { type: 'ipam' } });
const environmentOf = ({ folder }: FakePlugins, command: string) => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: 'c1',
  CNI_IFNAME: 'eth0',
  CNI_NETNS: '/run/netns/c1',
  CNI_PATH: `/nowhere:${folder}`,
});

it('gives another plugin the same environment and configuration, and what it answers', async () => {
  using plugins = new FakePlugins('ipam');
  plugins.answer('ipam', 'ADD', { cniVersion: '1.0.0', ips: [{ address: '10.1.0.2/16' }] });
  const environment = environmentOf(plugins, 'ADD');
  expect(await delegate('ipam', config, { environment })).toMatchObject({ ips: [{ address: '10.1.0.2/16' }] });
  expect(plugins.calls()).toMatchObject([{ command: 'ADD', environment, stdin: JSON.parse(config) as object }]);
});

it.each(['DEL', 'CHECK', 'GC', 'STATUS'])('passes %s on', async (command) => {
  using plugins = new FakePlugins('ipam');
  expect(await delegate('ipam', config, { environment: environmentOf(plugins, command) })).toBeUndefined();
  plugins.fail('ipam', command, 11);
  await expect(delegate('ipam', config, { environment: environmentOf(plugins, command) })).rejects.toMatchObject({
    details: { code: 11 },
  });
  expect(plugins.order()).toEqual([`ipam ${command}`, `ipam ${command}`]);
});

it('undoes an ADD that failed', async () => {
  using plugins = new FakePlugins('ipam');
  plugins.fail('ipam', 'ADD', 7).fail('ipam', 'DEL', 100);
  await expect(delegate('ipam', config, { environment: environmentOf(plugins, 'ADD') })).rejects.toMatchObject({
    details: { code: 7 },
  });
  expect(plugins.order()).toEqual(['ipam ADD', 'ipam DEL']);
});

it('wants to be run as a plugin is', async () => {
  await expect(delegate('ipam', config, { environment: {} })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  await expect(delegate('ipam', config, { environment: { CNI_COMMAND: 'ADD' } })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});
