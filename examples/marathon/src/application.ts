import { readFile } from 'node:fs/promises';
import { type ContainerSpec, GantryError } from '@gantry/interface';

/** The part of a Marathon application definition that this example deploys. */
export interface Application {
  /** `/redis`. */
  readonly id: string;
  readonly cpus: number;
  /** MiB. */
  readonly mem: number;
  readonly image: string;
  readonly forcePullImage: boolean;
  readonly ports: readonly ApplicationPort[];
}

export interface ApplicationPort {
  readonly port: number;
  readonly name?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** Reads a definition from a file; `INVALID_DOCUMENT` naming the field that cannot be deployed. */
export async function readApplication(path: string): Promise<Application> {
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new GantryError('INVALID_DOCUMENT', `${path}: not a readable JSON document`, { cause, details: { path } });
  }
  return parseApplication(document, path);
}

function parseApplication(document: unknown, path: string): Application {
  const wrong = (field: string, expected: string) =>
    new GantryError('INVALID_DOCUMENT', `${path}: ${field} must be ${expected}`, { details: { path: field } });
  const object = (value: unknown, field: string): Json => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, 'an object');
    return value as Json;
  };
  const app = object(document, 'the definition');
  const container = object(app['container'], 'container');
  const docker = object(container['docker'], 'container.docker');
  const { id, cpus, mem, disk = 0, instances = 1, portDefinitions = [] } = app;
  if (typeof id !== 'string' || !/^\/?[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(id))
    throw wrong('id', 'a path of one part, as /redis');
  if (typeof cpus !== 'number' || cpus <= 0) throw wrong('cpus', 'a number above 0');
  if (typeof mem !== 'number' || mem <= 0) throw wrong('mem', 'a number of MiB above 0');
  if (disk !== 0) throw wrong('disk', '0: this example sets no disk quota');
  if (instances !== 1) throw wrong('instances', '1: this example runs one');
  if (container['type'] !== 'MESOS') throw wrong('container.type', 'MESOS');
  if (typeof docker['image'] !== 'string') throw wrong('container.docker.image', 'a string');
  if (!Array.isArray(portDefinitions)) throw wrong('portDefinitions', 'an array');
  const ports = portDefinitions.map((definition: unknown, index): ApplicationPort => {
    const field = `portDefinitions[${index}]`;
    const { port, protocol = 'tcp', name } = object(definition, field);
    if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65_535)
      throw wrong(`${field}.port`, 'from 1 to 65535');
    if (protocol !== 'tcp') throw wrong(`${field}.protocol`, 'tcp');
    if (name !== undefined && typeof name !== 'string') throw wrong(`${field}.name`, 'a string');
    return { port: port as number, ...(name === undefined ? {} : { name }) };
  });
  return { id, cpus, mem, image: docker['image'], forcePullImage: docker['forcePullImage'] === true, ports };
}

/** Marathon's words in Gantry's: memory is a hard limit, CPUs a weight, ports are the host's. */
export function containerSpec(app: Application, id: string, image: string): ContainerSpec {
  const bytes = app.mem * 2 ** 20;
  return {
    id,
    image,
    pull: { force: app.forcePullImage },
    network: 'host',
    resources: { requests: { cpus: app.cpus, memory: bytes }, limits: { memory: bytes } },
    env: portVariables(app),
    labels: { 'marathon.app': app.id },
  };
}

/** The variables by which Marathon tells a task its ports. */
function portVariables(app: Application): Record<string, string> {
  const variables: Record<string, string> = {
    MARATHON_APP_ID: app.id,
    PORTS: app.ports.map(({ port }) => port).join(','),
  };
  app.ports.forEach(({ port, name }, index) => {
    variables[`PORT${index}`] = String(port);
    if (name) variables[`PORT_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`] = String(port);
  });
  const [first] = app.ports;
  return first ? { ...variables, PORT: String(first.port) } : variables;
}
