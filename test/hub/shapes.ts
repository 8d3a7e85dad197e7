import type { ContainerSpec } from '@gantry/interface';
import { amqpHeader, httpGet, postgresStartup } from './conversations.mjs';

/** How a program that an image holds is started, spoken to and stopped. */
export interface Shape {
  /** Of its recipe in `images/`. */
  readonly name: string;
  /** Beyond the image. */
  readonly spec?: Partial<ContainerSpec>;
  /** What is said to which port, and what is to be answered. */
  readonly port: number;
  readonly say: string | Uint8Array;
  readonly answer: RegExp;
  /** The user whose processes answer. */
  readonly user: string;
  /** A command in the container, and what it is to write. */
  readonly ask?: { readonly command: readonly string[]; readonly answer: RegExp };
  /** The image's own health check says that it is well. */
  readonly healthy?: true;
  /** Its exit code when it gets the image's stop signal. */
  readonly exit: number;
}

const script = `
  const server = require('node:http').createServer((request, response) => response.end('from node'));
  server.listen(3000);
  process.on('SIGTERM', () => server.close());
`;
const perlServer = `
  use Socket;
  $SIG{TERM} = sub { exit 0 };
  socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7000, INADDR_ANY)) or die; listen(S, 9);
  while (accept(C, S)) { send(C, "from perl", 0); close C }
`;
const webServer = 'mkdir /www; echo from busybox >/www/index.html; exec httpd -f -p 8000 -h /www';

/** The programs of these images and what Docker Hub's do: entry points that drop root, users, volumes, stop signals, working folders. */
const shapes: readonly Shape[] = [
  {
    name: 'busybox',
    // A first process that handles no SIGTERM is not ended by it, so it gets an init.
    spec: { args: ['sh', '-c', webServer], init: true },
    port: 8000,
    say: httpGet('/'),
    answer: /from busybox/,
    user: '0',
    exit: 143,
  },
  {
    name: 'debian',
    spec: { args: ['bash', '-c', 'echo ready; exec perl -e "$SERVER"'], env: { SERVER: perlServer } },
    port: 7000,
    say: '',
    answer: /from perl/,
    user: '0',
    ask: { command: ['dpkg-query', '--status', 'libc6'], answer: /install ok installed/ },
    exit: 0,
  },
  { name: 'nginx', port: 80, say: httpGet('/'), answer: /200 OK.*Welcome to nginx/s, user: 'www-data', exit: 0 },
  { name: 'httpd', port: 80, say: httpGet('/'), answer: /200 OK.*Apache2/s, user: 'www-data', exit: 0 },
  {
    name: 'postgres',
    spec: { env: { POSTGRES_PASSWORD: 'secret' } },
    port: 5432,
    say: postgresStartup('postgres'),
    answer: /SCRAM-SHA-256/,
    user: 'postgres',
    ask: { command: ['psql', '-U', 'postgres', '-Atc', 'select 6 * 7'], answer: /^42$/m },
    exit: 0,
  },
  {
    name: 'mariadb',
    spec: { env: { MARIADB_ROOT_PASSWORD: 'secret' } },
    port: 3306,
    say: '',
    answer: /MariaDB/,
    user: 'mysql',
    ask: { command: ['mariadb', '-uroot', '-psecret', '-BNe', 'select 6 * 7'], answer: /^42$/m },
    healthy: true,
    exit: 0,
  },
  {
    name: 'redis',
    port: 6379,
    say: 'PING\r\n',
    answer: /^\+PONG\r\n/,
    user: 'redis',
    ask: { command: ['redis-cli', 'config', 'get', 'dir'], answer: /^\/data$/m },
    exit: 0,
  },
  {
    name: 'memcached',
    port: 11211,
    say: 'set a 0 0 1\r\n1\r\nget a\r\n',
    answer: /STORED\r\nVALUE a 0 1\r\n1/,
    user: 'memcache',
    exit: 0,
  },
  {
    name: 'node',
    spec: { args: ['-e', script] },
    port: 3000,
    say: httpGet('/'),
    answer: /from node/,
    user: '0',
    exit: 0,
  },
  {
    name: 'python',
    spec: { args: ['python3', '-m', 'http.server', '8000', '--directory', '/etc'], init: true },
    port: 8000,
    say: httpGet('/debian_version'),
    answer: /200 OK.*Server: SimpleHTTP/s,
    user: '0',
    exit: 143,
  },
  { name: 'rabbitmq', port: 5672, say: amqpHeader, answer: /RabbitMQ/, user: 'rabbitmq', exit: 0 },
  // Go's runtime ends a program at SIGTERM with 2.
  { name: 'registry', port: 5000, say: httpGet('/v2/'), answer: /200 OK.*\{\}/s, user: '0', exit: 2 },
  { name: 'haproxy', port: 8404, say: httpGet('/'), answer: /through haproxy/, user: 'haproxy', exit: 0 },
];

/** Those that `npm test` builds and runs; `GANTRY_HUB=all` is for every one. */
export function chosenShapes(everyDay: readonly string[]): readonly Shape[] {
  return process.env['GANTRY_HUB'] === 'all' ? shapes : shapes.filter(({ name }) => everyDay.includes(name));
}
