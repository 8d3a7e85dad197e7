import { MediaType } from '@gantry/image-spec';
import type { Descriptor } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { nextLink } from '../src/link-header.js';
import { digestOf, type Script, ScriptedServer } from './scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(script: Script): Promise<ScriptedServer> {
  const server = await ScriptedServer.start(script);
  servers.push(server);
  return server;
}

const client = () => createRegistryClient({ retries: { baseMs: 1 } });

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}

/** Gives its pages in turn, each with a link to the next one. */
const paged =
  (
    pages: readonly unknown[],
    link = (page: number) => `</v2/team/app/tags/list?n=2&page=${page}>; rel="next"`,
  ): Script =>
  ({ url }, response) => {
    const page = Number(new URL(url, 'http://x').searchParams.get('page') ?? 0);
    if (page + 1 < pages.length) response.setHeader('link', link(page + 1));
    response.end(JSON.stringify(pages[page]));
  };

describe('listTags', () => {
  it('goes through all pages', async () => {
    const server = await start(paged([{ tags: ['a', 'b'] }, { tags: ['c'] }, { tags: null }]));
    expect(await all(client().listTags(server.repository(), { pageSize: 2 }))).toEqual(['a', 'b', 'c']);
    expect(server.seen).toEqual([
      'GET /v2/team/app/tags/list?n=2',
      'GET /v2/team/app/tags/list?n=2&page=1',
      'GET /v2/team/app/tags/list?n=2&page=2',
    ]);
  });

  it('asks for no more pages than are wanted', async () => {
    const server = await start(paged([{ tags: ['a'] }, { tags: ['b'] }]));
    for await (const tag of client().listTags(server.repository())) {
      expect(tag).toBe('a');
      break;
    }
    expect(server.requests).toHaveLength(1);
  });

  it('tries a page again by itself', async () => {
    let failed = false;
    const pages = paged([{ tags: ['a'] }, { tags: ['b'] }]);
    const server = await start((request, response, raw) => {
      if (!request.url.includes('page=1') || failed) return pages(request, response, raw);
      failed = true;
      response.writeHead(503).end();
    });
    expect(await all(client().listTags(server.repository()))).toEqual(['a', 'b']);
    expect(server.requests).toHaveLength(3);
  });

  it.each([
    ['another host', 'http://registry.example/v2/team/app/tags/list?page=1'],
    ['a host of the network', '//169.254.169.254/v2/'],
    ['another scheme', 'https://127.0.0.1/v2/'],
    ['a place outside the API', '/token?page=1'],
    ['a place above', '/v2/../admin'],
    ['nowhere', 'http://['],
  ])('does not follow a link to %s', async (_, link) => {
    const server = await start(paged([{ tags: ['a'] }, { tags: ['b'] }], () => `<${link}>; rel="next"`));
    const got: string[] = [];
    const listing = async () => {
      for await (const tag of client().listTags(server.repository())) got.push(tag);
    };
    await expect(listing()).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(server.requests).toHaveLength(1);
    expect(got).toEqual([]);
  });

  it('gives up on pages that go round in a circle', async () => {
    const server = await start((_, response) => {
      response.setHeader('link', '</v2/team/app/tags/list?again>; rel="next"').end('{"tags":["a"]}');
    });
    await expect(all(client().listTags(server.repository()))).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ['a path', '{"tags":["../../x"]}'],
    ['a number', '{"tags":[7]}'],
    ['an object', '{"tags":{}}'],
    ['nothing', '{}'],
    ['a list', '[]'],
    ['no JSON', '<html>'],
  ])('refuses %s for tags', async (_, body) => {
    const server = await start((__, response) => void response.end(body));
    await expect(all(client().listTags(server.repository()))).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
  });

  it('tells what is not there, and refuses a page of no size', async () => {
    const server = await start((_, response) => void response.writeHead(404).end());
    await expect(all(client().listTags(server.repository()))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(all(client().listTags(server.repository(), { pageSize: 0 }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'pageSize' },
    });
  });
});

describe('listRepositories', () => {
  it('goes through the catalog', async () => {
    const link = (page: number) => `</v2/_catalog?page=${page}>; rel="next"`;
    const server = await start(paged([{ repositories: ['a', 'b/c'] }, { repositories: ['d'] }], link));
    expect(await all(client().listRepositories(server.host))).toEqual(['a', 'b/c', 'd']);
    expect(server.seen[0]).toBe('GET /v2/_catalog?n=1000');
  });

  it('refuses what is no repository', async () => {
    const server = await start((_, response) => void response.end('{"repositories":["a/../b"]}'));
    await expect(all(client().listRepositories(server.host))).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
  });
});

describe('nextLink', () => {
  it.each([
    ['</a>; rel="next"', '/a'],
    ['</a>;rel=next', '/a'],
    ['</a>; rel="first", </b>; title="x, <y>"; rel="last next"', '/b'],
    ['</a>; rel="prev"', undefined],
    ['</a>; rel="nextish"', undefined],
    ['</a>', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %s is %s', (header, expected) => {
    expect(nextLink(header)).toBe(expected);
  });

  it('takes linear time', () => {
    for (const unit of ['<', '<a>;', '<a>;"', ' ,', '; rel=', '"\\']) {
      const before = performance.now();
      nextLink(unit.repeat(300_000));
      expect(performance.now() - before).toBeLessThan(250);
    }
  });
});

const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 },
    layers: [],
  }),
);
const described = {
  'content-type': MediaType.ociManifest,
  'docker-content-digest': digestOf(manifest),
  'content-length': String(manifest.length),
};

describe('resolve', () => {
  const expected = { mediaType: MediaType.ociManifest, digest: digestOf(manifest), size: manifest.length };

  it('takes the headers of HEAD', async () => {
    const server = await start((_, response) => void response.writeHead(200, described).end());
    expect(await client().resolve(server.repository('1.2'))).toEqual(expected);
    expect(server.seen).toEqual(['HEAD /v2/team/app/manifests/1.2']);
  });

  it.each<[string, Script]>([
    ['is not known', (_, response) => void response.writeHead(405).end()],
    ['has no digest', (_, response) => void response.writeHead(200, { 'content-type': MediaType.ociManifest }).end()],
    [
      'has no real digest',
      (_, response) => void response.writeHead(200, { ...described, 'docker-content-digest': 'sha256:../x' }).end(),
    ],
    [
      'has no media type',
      (_, response) => void response.writeHead(200, { ...described, 'content-type': 'text/plain' }).end(),
    ],
  ])('fetches the manifest where HEAD %s', async (_, head) => {
    const server = await start((request, response, raw) =>
      request.method === 'HEAD' ? head(request, response, raw) : void response.writeHead(200, described).end(manifest),
    );
    expect(await client().resolve(server.repository())).toEqual(expected);
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it('refuses another digest than the one asked for, and a manifest without measure', async () => {
    const server = await start((_, response) => {
      response.writeHead(200, { ...described, 'content-length': server.requests.length > 1 ? 2 ** 30 : 100 }).end();
    });
    const other = { ...server.repository(), digest: digestOf(Buffer.of(1)) };
    await expect(client().resolve(other)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expect(client().resolve(server.repository())).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('tells what is not there', async () => {
    const server = await start((_, response) => void response.writeHead(404).end());
    await expect(client().resolve(server.repository())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(server.requests).toHaveLength(1);
  });
});

describe('referrers', () => {
  const subject = digestOf(manifest);
  const entry = (artifactType: string): Descriptor => ({
    mediaType: MediaType.ociManifest,
    digest: digestOf(Buffer.from(artifactType)),
    size: 3,
    artifactType,
  });
  const index = (...types: string[]) =>
    JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: types.map(entry) });
  const type = { 'content-type': MediaType.ociIndex };

  it('are listed by the API, and filtered here if the registry does not', async () => {
    const server = await start(({ url }, response) => {
      if (url.includes('page')) response.writeHead(200, type).end(index('a/1'));
      else response.writeHead(200, { ...type, link: `</v2/x?page>; rel="next"` }).end(index('a/1', 'a/2'));
    });
    const reference = { ...server.repository(), digest: subject };
    expect(await all(client().referrers(reference))).toMatchObject([entry('a/1'), entry('a/2'), entry('a/1')]);
    expect(await all(client().referrers(reference, { artifactType: 'a/2' }))).toMatchObject([entry('a/2')]);
    expect(server.seen[0]).toBe(`GET /v2/team/app/referrers/${subject}`);
    expect(server.seen[2]).toBe(`GET /v2/team/app/referrers/${subject}?artifactType=a%2F2`);
  });

  it.each<[string, Script]>([
    ['does not know the API', (_, response) => void response.writeHead(404).end()],
    [
      'serves a page there',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    ],
  ])('are found under their tag where the registry %s', async (_, api) => {
    const server = await start((request, response, raw) => {
      if (request.url.includes('/referrers/')) return api(request, response, raw);
      response.writeHead(200, type).end(index('a/1', 'a/2'));
    });
    const reference = { ...server.repository(), digest: subject };
    expect(await all(client().referrers(reference, { artifactType: 'a/1' }))).toMatchObject([entry('a/1')]);
    expect(server.seen[1]).toBe(`GET /v2/team/app/manifests/sha256-${subject.slice(7)}`);
  });

  it('are none where there is neither', async () => {
    const server = await start((_, response) => void response.writeHead(404).end());
    expect(await all(client().referrers({ ...server.repository(), digest: subject }))).toEqual([]);
    await expect(all(client().referrers(server.repository()))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('deleteManifest', () => {
  it('deletes by digest, else by tag', async () => {
    const server = await start((_, response) => void response.writeHead(202).end());
    await client().deleteManifest({ ...server.repository('1.2'), digest: digestOf(manifest) });
    await client().deleteManifest(server.repository('1.2'));
    expect(server.seen).toEqual([
      `DELETE /v2/team/app/manifests/${digestOf(manifest)}`,
      'DELETE /v2/team/app/manifests/1.2',
    ]);
  });

  it.each([
    [405, 'UNSUPPORTED'],
    [400, 'UNSUPPORTED'],
    [404, 'NOT_FOUND'],
    [403, 'UNAUTHORIZED'],
  ])('tells what %i means', async (status, code) => {
    const server = await start((_, response) => void response.writeHead(status).end());
    await expect(client().deleteManifest(server.repository())).rejects.toMatchObject({ code, details: { status } });
  });

  it('is content if a lost answer has done it already', async () => {
    const server = await start((_, response) => {
      if (server.requests.length === 1) response.destroy();
      else response.writeHead(404).end();
    });
    await client().deleteManifest(server.repository());
    expect(server.requests).toHaveLength(2);
  });
});
