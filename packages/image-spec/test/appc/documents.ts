import { appcImageId } from '../../src/index.js';

/** An image id made of one hex digit. */
export const imageId = (digit: string) => appcImageId(digit.repeat(128));

/** The digest of that image. */
export const imageDigest = (digit: string) => `sha512:${digit.repeat(128)}` as const;

/** Uses every field that appc 0.8 knows. */
export const imageManifest = {
  acKind: 'ImageManifest',
  acVersion: '0.8.11',
  name: 'images.test/queue/worker',
  labels: [
    { name: 'version', value: '2.1.0' },
    { name: 'os', value: 'linux' },
    { name: 'arch', value: 'aarch64' },
    { name: 'channel', value: 'beta' },
  ],
  app: {
    exec: ['/bin/worker', '--threads', '4'],
    user: '1000',
    group: 'workers',
    supplementaryGIDs: [10, 20],
    workingDirectory: '/srv/./work/',
    environment: [
      { name: 'PATH', value: '/bin' },
      { name: 'LOG.LEVEL-x', value: 'a=b' },
      { name: 'EMPTY', value: '' },
    ],
    mountPoints: [
      { name: 'spool', path: '/var/spool/work' },
      { name: 'conf', path: '/etc/worker', readOnly: true },
    ],
    ports: [
      { name: 'http', protocol: 'tcp', port: 8080, socketActivated: true },
      { name: 'gossip', protocol: 'UDP', port: 7000, count: 3 },
    ],
    isolators: [
      { name: 'resource/cpu', value: { request: '250m', limit: '1.5' } },
      { name: 'resource/memory', value: { limit: '64Mi' } },
      { name: 'os/linux/capabilities-retain-set', value: { set: ['CAP_NET_BIND_SERVICE'] } },
      { name: 'images.test/own', value: { any: [1, null] } },
    ],
    eventHandlers: [
      { name: 'pre-start', exec: ['/bin/prepare'] },
      { name: 'post-stop', exec: ['/bin/tidy', '-v'] },
    ],
    userAnnotations: { 'Any Key': 'x' },
    userLabels: { team: 'red' },
  },
  dependencies: [
    { imageName: 'images.test/base', imageID: imageId('b'), labels: [{ name: 'os', value: 'linux' }], size: 4096 },
    { imageName: 'images.test/certs' },
  ],
  pathWhitelist: ['/bin/worker', '/etc/worker/'],
  annotations: [
    { name: 'created', value: '2016-02-29T12:00:00.25+01:00' },
    { name: 'homepage', value: 'https://images.test' },
    { name: 'images.test/owner', value: 'somebody' },
  ],
};

/** As above with some fields of the app otherwise. */
export const withApp = (change: Readonly<Record<string, unknown>>) => ({
  ...imageManifest,
  app: { ...imageManifest.app, ...change },
});
