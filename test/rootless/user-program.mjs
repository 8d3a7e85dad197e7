// A host program of an ordinary user: does what its first argument names, with the image of the second, and writes what it saw as JSON.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createContainerizer, defaultPlaces, probe } from '@gantry/containerizer';
import { isGantryError } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { answerOf, logOf, outputOf, patience, usersOf } from '../hub/meetings.mjs';
import { eventually } from '../support/eventually.mjs';

const [scenario = '', image = '', ...rest] = process.argv.slice(2);

/** @typedef {import('@gantry/interface').Containerizer} Containerizer */
/** @typedef {Partial<import('@gantry/interface').ContainerSpec>} Spec */

/** @param {string} script @returns {Spec} */
const sh = (script) => ({ command: ['/bin/sh', '-c', script] });

/** @param {Containerizer} containerizer @param {Spec} spec */
async function run(containerizer, spec) {
  const { id } = await containerizer.launch({ image, ...spec });
  const { exit } = await containerizer.wait(id);
  const output = { stdout: '', stderr: '' };
  for await (const { stream, data } of containerizer.logs(id)) output[stream] += Buffer.from(data).toString();
  await containerizer.remove(id);
  return { exit: exit?.type === 'exited' ? exit.code : exit, ...output };
}

/** @param {Containerizer} containerizer @param {Spec} spec */
async function refusal(containerizer, spec) {
  try {
    await containerizer.launch({ image, ...spec });
    return 'launched';
  } catch (error) {
    return isGantryError(error) ? `${error.code}: ${error.message}` : String(error);
  }
}

/** Leaves a folder that only another of the container's users may open. @param {string} folder */
const giveAway = (folder) => `mkdir -m 700 ${folder}; touch ${folder}/x; chown -R 1000:1000 ${folder}`;

/** @param {Containerizer} containerizer @param {string} id @param {RegExp} pattern */
async function written(containerizer, id, pattern) {
  for await (const { data } of containerizer.logs(id, { follow: true })) {
    if (pattern.test(Buffer.from(data).toString())) return;
  }
  throw new Error(`container ${id} ended without writing ${pattern}`);
}

/** @type {Record<string, (containerizer: Containerizer) => Promise<unknown>>} */
const scenarios = {
  async ids(containerizer) {
    const { id } = await containerizer.launch({
      image,
      ...sh('touch /new; chown 33:44 /new; echo ready; exec sleep 1000'),
    });
    await written(containerizer, id, /ready/);
    const { pid = 0 } = await containerizer.status(id);
    const inside = await containerizer.exec(id, {
      command: ['/bin/sh', '-c', 'id -u; cat /proc/self/uid_map; ls -ln /new; id'],
    });
    inside.stdin.end();
    const [seen, errors] = await Promise.all([text(inside.stdout), text(inside.stderr)]);
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const outside = /^Uid:\t(\d+)/m.exec(status)?.[1];
    const owner = spawnSync('stat', ['-c', '%u %g', `/proc/${pid}/root/new`], { encoding: 'utf8' }).stdout.trim();
    await containerizer.destroy(id);
    return { seen, errors, outside, owner };
  },
  run: (containerizer) => run(containerizer, JSON.parse(rest[0] ?? '{}')),
  probe: () =>
    probe({
      root: join(process.env['XDG_DATA_HOME'] ?? '', 'gantry'),
      ...(cgroupParent === undefined ? {} : { cgroupParent }),
    }),
  async limits(containerizer) {
    const { id } = await containerizer.launch({
      image,
      ...sh(
        'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max; (for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done) 2>/dev/null; exec sleep 1000',
      ),
      resources: { limits: { memory: 2 ** 26, pids: 6, cpus: 0.5 } },
    });
    await written(containerizer, id, /50000 100000/);
    const usage = () => containerizer.usage(id);
    const bombed = await eventually(usage, ({ pids }) => (pids?.refusals ?? 0) > 0, 60_000);
    await containerizer.pause(id);
    const { state } = await containerizer.status(id);
    await containerizer.resume(id);
    await containerizer.update(id, { limits: { memory: 2 ** 25, pids: 8 } });
    const { memory, pids } = await usage();
    await containerizer.destroy(id);
    const hog = await containerizer.launch({
      image,
      ...sh('tail /dev/zero'),
      resources: { limits: { memory: 2 ** 24 } },
    });
    const { limitation } = await containerizer.wait(hog.id);
    return { bombed: bombed.pids, state, memory: memory?.limit, pids: pids?.limit, limitation };
  },
  async pressure(containerizer) {
    const { id } = await containerizer.launch({
      image,
      ...sh('read x; tail /dev/zero; exec sleep 1000'),
      stdin: true,
      resources: { limits: { memory: 2 ** 27, memoryHigh: 12 * 2 ** 20 } },
    });
    /** @param {number} windowMs */
    const follow = async (windowMs) => {
      try {
        const events = containerizer.memoryEvents(id, { pressure: [{ of: 'some', stallMs: 1, windowMs }] });
        const attachment = await containerizer.attach(id, { stdin: true });
        attachment.stdin?.end('\n');
        for await (const { type } of events) if (type === 'pressure') return 'told';
        return 'ended';
      } catch (error) {
        return isGantryError(error) ? `${error.code}: ${error.message}` : String(error);
      }
    };
    const found = [await follow(1000), await follow(2000)];
    await containerizer.destroy(id);
    return found;
  },
  refusal: (containerizer) => refusal(containerizer, JSON.parse(rest[0] ?? '{}')),
  async copies(containerizer) {
    const { id } = await containerizer.launch({
      image,
      ...sh('mkdir -m 700 /a; echo x > /a/b; chown -R 5:6 /a; echo ready; exec sleep 1000'),
    });
    await written(containerizer, id, /ready/);
    const out = [];
    for await (const piece of containerizer.copyOut(id, '/a')) out.push(piece);
    await containerizer.copyIn(
      id,
      '/tmp',
      (async function* () {
        yield* out;
      })(),
    );
    const inside = await containerizer.exec(id, { command: ['/bin/sh', '-c', 'ls -ln /tmp/a/b; cat /tmp/a/b'] });
    inside.stdin.end();
    const seen = await text(inside.stdout);
    const committed = await containerizer.commit(id, { as: 'localhost/made:latest' });
    await containerizer.destroy(id);
    const made = await containerizer.launch({
      image: 'localhost/made:latest',
      ...sh('ls -ln /a/b; ls -ln / | grep " a$"'),
    });
    await containerizer.wait(made.id);
    let again = '';
    for await (const { data } of containerizer.logs(made.id)) again += Buffer.from(data).toString();
    return { seen, committed: committed.digest, again };
  },
  async pod(containerizer) {
    const pod = await containerizer.launchPod({
      hostname: 'pod',
      volumes: ['data'],
      endsWith: 'last',
      containers: ['one', 'two'].map((name) => ({
        image,
        command: ['/bin/sh', '-c', `hostname; id -u; ${giveAway(`/data/${name}`)}; ls /sys/class/net`],
        mounts: [{ type: /** @type {const} */ ('volume'), source: 'data', target: '/data' }],
      })),
    });
    const outputs = [];
    for (const id of pod.containers) {
      await containerizer.wait(id);
      let output = '';
      for await (const { data } of containerizer.logs(id)) output += Buffer.from(data).toString();
      outputs.push(output);
    }
    await containerizer.wait(pod.id);
    return outputs;
  },
  async network(containerizer) {
    const [, address = '', port = '', secret = ''] = rest;
    const { id, networks, ports } = await containerizer.launch({
      image,
      hostname: 'box',
      network: 'user',
      ports: [{ containerPort: 80 }],
      ...sh('echo served > /tmp/index.html; echo ready; exec httpd -f -p 80 -h /tmp'),
    });
    await written(containerizer, id, /ready/);
    const inside = await containerizer.exec(id, {
      command: [
        '/bin/sh',
        '-c',
        `timeout 9 wget -q -O - http://${address}:${port}/; timeout 1 wget -q -O - http://10.0.2.2:${secret}/; cat /etc/hosts; cat /proc/sys/net/ipv4/ping_group_range`,
      ],
    });
    inside.stdin.end();
    const seen = await text(inside.stdout);
    const served = await fetch(`http://127.0.0.1:${ports?.[0]?.hostPort}/`).then((response) => response.text());
    const nested = await containerizer.launch({ image, parent: id, ...sh('ip -o -4 addr show eth0; exec sleep 1000') });
    await written(containerizer, nested.id, /10\.0\.2\.100/);
    await containerizer.destroy(id);
    return { networks, ports, seen, served };
  },
  async egress(containerizer) {
    const [, address = '', open = '', closed = ''] = rest;
    const fetches = [open, closed]
      .map((port) => `timeout 2 wget -q -O - http://${address}:${port}/ || echo shut`)
      .join('; ');
    return run(containerizer, {
      ...sh(fetches),
      network: 'user',
      egress: { allow: [{ cidr: address, protocol: 'tcp', ports: [Number(open)] }] },
    });
  },
  async volumes(containerizer) {
    const [own = ''] = rest;
    /** @type {Spec['mounts']} */
    const mounts = [
      { type: 'bind', source: own, target: '/own' },
      { type: 'tmpfs', target: '/memory' },
      { type: 'persistent', id: 'kept', target: '/kept', owner: { mode: 0o750 } },
      { type: 'sandbox', of: 'self', path: 'shared', target: '/shared' },
    ];
    const script = `stat -c '%u:%g %a' /own /kept; stat -f -c %T /memory | tr -d '\\n'; stat -c ' %a' /memory
      touch /own/new /own/of-another /kept/file; chown 1000 /own/of-another; echo from outside >/shared/file; ${giveAway('/shared/given')}
      echo up; exec sleep 1000`;
    const { id } = await containerizer.launch({ image, ...sh(script), mounts });
    await written(containerizer, id, /up/);
    const part = /** @type {const} */ ({ type: 'sandbox', of: 'parent', path: 'shared', target: '/there' });
    const nested = await run(containerizer, { ...sh('cat /there/file'), parent: id, mounts: [part] });
    let outer = '';
    for await (const { data } of containerizer.logs(id)) outer += Buffer.from(data).toString();
    await containerizer.destroy(id);
    const kept = /** @type {const} */ ([{ type: 'persistent', id: 'kept', target: '/kept' }]);
    const again = await run(containerizer, {
      ...sh(`stat -c "%u:%g" /kept/file; ls /kept; ${giveAway('/kept/given')}; chmod 700 /kept; chown 1000:1000 /kept`),
      mounts: kept,
    });
    await containerizer.volumes.remove('kept');
    const removed = [];
    for await (const volume of containerizer.volumes.list()) removed.push(volume);
    return { outer: outer.replace('up\n', ''), nested: nested.stdout, again: again.stdout, removed };
  },
  async imageVolumes(containerizer) {
    /** @type {Spec['mounts']} */
    const mounts = [
      { type: 'image', image, target: '/read' },
      { type: 'image', image, target: '/written', readonly: false },
    ];
    const script = `ls /read/bin/busybox /written/bin/busybox; touch /read/x || echo refused; ${giveAway('/written/given')}; stat -c %u /written/given`;
    return run(containerizer, { ...sh(script), mounts });
  },
  /** Of an image of Docker Hub's shape, which comes in an archive. */
  async shape(containerizer) {
    const { archive, shape, say, answer } = JSON.parse(rest[0] ?? '{}');
    const store = createImageStore({ root: join(defaultPlaces().root, 'store'), registry: createRegistryClient() });
    await store.import({ type: 'docker-archive', path: archive, reference: image }, { as: image });
    const { id } = await containerizer.launch({ image, ...shape.spec });
    const spoken = { ...shape, say: Buffer.from(say, 'base64'), answer: new RegExp(answer.source, answer.flags) };
    const heard = await answerOf(containerizer, id, spoken);
    const users = await usersOf(containerizer, id);
    const asked = shape.ask ? await outputOf(containerizer, id, shape.ask.command) : '';
    const { exit } = await containerizer.stop(id, { graceMs: patience });
    return { heard, users, asked, exit, log: await logOf(containerizer, id) };
  },
  async leave(containerizer) {
    const { id, pid, shimPid } = await containerizer.launch({ image, id: 'left', ...sh('echo up; exec sleep 1000') });
    await written(containerizer, id, /up/);
    process.stdout.write(`${JSON.stringify({ id, pid, shimPid })}\n`);
    process.kill(process.pid, 'SIGKILL');
    return undefined;
  },
  async recover(containerizer) {
    const { running } = report;
    const inside = await containerizer.exec('left', { command: ['echo', 'again'] });
    inside.stdin.end();
    const seen = await text(inside.stdout);
    const attachment = await containerizer.attach('left');
    await attachment[Symbol.asyncDispose]();
    const end = await containerizer.stop('left', { graceMs: 100 });
    return { running, seen, end: end.exit?.type };
  },
};

const stack = /** @type {const} */ (['pasta', 'slirp4netns']).find((name) => name === rest[0]);
const cgroupParent = process.env['CGROUP_PARENT'];
const containerizer = await createContainerizer({
  ...(stack ? { networks: { userStack: stack } } : {}),
  ...(cgroupParent === undefined ? {} : { cgroupParent }),
});
const report = await containerizer.recover();
try {
  const result = await scenarios[scenario]?.(containerizer);
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  process.stdout.write(
    `${JSON.stringify({ error: isGantryError(error) ? `${error.code}: ${error.message}` : String(error) })}\n`,
  );
  process.exitCode = 1;
} finally {
  for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
  await containerizer[Symbol.asyncDispose]();
}
