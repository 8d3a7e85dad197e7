import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appcDiscoveryUrls, parseAppcMeta } from '../../src/index.js';
import { cpuTime } from '../support/cpu-time.js';

const name = 'images.test/queue/worker';
const labels = new Map([
  ['version', '2.1.0'],
  ['os', 'linux'],
  ['arch', 'amd64'],
]);
const page = (...head: readonly string[]) =>
  new TextEncoder().encode(`<!doctype html><html><head>${head.join('\n')}</head>`);
const meta = (content: string, tag = 'ac-discovery') => `<meta name="${tag}" content="${content}">`;
const imagesOf = (...head: readonly string[]) =>
  parseAppcMeta(page(...head), name, labels).images.map((urls) => urls.image);

describe('appcDiscoveryUrls', () => {
  it('fills in the template of simple discovery, and names the pages of meta discovery', () => {
    expect(appcDiscoveryUrls(name, labels)).toEqual({
      simple: {
        image: 'https://images.test/queue/worker-2.1.0-linux-amd64.aci',
        signature: 'https://images.test/queue/worker-2.1.0-linux-amd64.aci.asc',
      },
      meta: [
        'https://images.test/queue/worker?ac-discovery=1',
        'https://images.test/queue?ac-discovery=1',
        'https://images.test?ac-discovery=1',
      ],
    });
  });

  it('has no simple discovery for a host alone', () => {
    expect(appcDiscoveryUrls('images.test', labels)).toEqual({ meta: ['https://images.test?ac-discovery=1'] });
  });

  it('takes the latest version for the host', () => {
    expect(appcDiscoveryUrls('images.test/a').simple?.image).toMatch(
      /^https:\/\/images\.test\/a-latest-linux-[a-z0-9_]+\.aci$/,
    );
    if (process.arch === 'x64') expect(appcDiscoveryUrls('images.test/a').simple?.image).toContain('-linux-amd64.aci');
  });

  it('encodes what a label holds', () => {
    const { simple } = appcDiscoveryUrls(name, new Map([...labels, ['version', '../../x?y#z@ä %2e']]));
    expect(simple?.image).toBe('https://images.test/queue/worker-..%2F..%2Fx%3Fy%23z%40%C3%A4%20%252e-linux-amd64.aci');
  });

  it.each(['', '.', '..', '\ud800'])('refuses the version %j', (version) => {
    expect(() => appcDiscoveryUrls(name, new Map([['version', version]]))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'labels', label: 'version' } }),
    );
  });

  it.each(['', 'A.test/x', 'a b/c', '../x', 'a/../b', '1.2.3/x', '0x7f.1/x', 'user@host/x', 'host:1/x'])(
    'refuses the name %j',
    (text) => {
      expect(() => appcDiscoveryUrls(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'name' } }),
      );
    },
  );
});

describe('parseAppcMeta', () => {
  it('finds images and keys', () => {
    const found = parseAppcMeta(
      page(
        '<meta charset="utf-8"><title>x</title><META NAME=other CONTENT="a b">',
        meta('images.test https://store.test/{os}/{arch}/{name}-{version}.{ext}'),
        meta('images.test https://keys.test/pub.gpg', 'ac-discovery-pubkeys'),
        meta('images.test http://keys.test/pub.gpg', 'ac-discovery-pubkeys'),
      ),
      name,
      labels,
    );
    expect(found).toEqual({
      images: [
        {
          image: 'https://store.test/linux/amd64/images.test/queue/worker-2.1.0.aci',
          signature: 'https://store.test/linux/amd64/images.test/queue/worker-2.1.0.aci.asc',
        },
      ],
      publicKeys: ['https://keys.test/pub.gpg'],
    });
  });

  it('takes the tags with the longest prefix, all of them', () => {
    expect(
      imagesOf(
        meta('images.test https://a.test/{name}.{ext}'),
        meta('images.test/queue https://b.test/{name}.{ext}'),
        meta('images.test/other https://c.test/{name}.{ext}'),
        meta('images.test/queue https://d.test/{version}.{ext}'),
      ),
    ).toEqual([`https://b.test/${name}.aci`, 'https://d.test/2.1.0.aci']);
  });

  it('finds nothing on a page for other names, or with broken tags', () => {
    const heads = [
      '',
      meta('other.test https://a.test/{name}.{ext}'),
      meta('https://a.test/{name}.{ext}'),
      meta(''),
      meta('images.test https://a.test/ {name}.{ext}'),
      '<meta name="ac-discovery">',
      '<meta content="images.test https://a.test/{name}.{ext}">',
    ];
    for (const head of heads) expect(parseAppcMeta(page(head), name, labels)).toEqual({ images: [], publicKeys: [] });
  });

  it('uses labels of any name, and passes over what it cannot fill in', () => {
    const tags = [
      meta('images.test https://a.test/{channel}/{name}.{ext}'),
      meta('images.test https://b.test/{version}/{name}.{ext}'),
    ];
    expect(imagesOf(...tags)).toEqual([`https://b.test/2.1.0/${name}.aci`]);
    expect(parseAppcMeta(page(...tags), name, new Map([...labels, ['channel', 'x']])).images).toHaveLength(2);
  });

  it('decodes the page as HTML', () => {
    expect(
      imagesOf("<meta content='images.test&#32;https://a.test/x&amp;y/{name}.{ext}' name=ac-discovery />"),
    ).toEqual([`https://a.test/x&y/${name}.aci`]);
  });

  it.each([
    ['a comment', `<!-- ${meta('images.test https://evil.test/{name}.{ext}')} -->`],
    ['a script', `<script>"${meta('images.test https://evil.test/{name}.{ext}')}"</script>`],
    ['a title', `<title>${meta('images.test https://evil.test/{name}.{ext}')}</title>`],
    ['the body', `<body>${meta('images.test https://evil.test/{name}.{ext}')}`],
    ['what follows the head', `</head>${meta('images.test https://evil.test/{name}.{ext}')}`],
    ['what opens the body unsaid', `<p>${meta('images.test https://evil.test/{name}.{ext}')}`],
  ])('believes nothing in %s', (_, head) => {
    expect(imagesOf(head)).toEqual([]);
    expect(imagesOf(meta('images.test https://a.test/{name}.{ext}'), head)).toEqual([`https://a.test/${name}.aci`]);
  });

  it.each([
    'http://a.test/{name}.{ext}',
    'hdfs://a.test/{name}.{ext}',
    'file:///etc/{name}.{ext}',
    'https://user@a.test/{name}.{ext}',
    'https://:password@a.test/{name}.{ext}',
    'https://a.test/{name}.{ext}#x',
    'https://a.test/{name}.aci',
    'https://{nobody}.test/{name}.{ext}',
    '//a.test/{name}.{ext}',
  ])('refuses a page with nothing but %s', (template) => {
    expect(() => imagesOf(meta(`images.test ${template}`))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { name, templates: [template] } }),
    );
  });

  it('refuses a page of more than a mebibyte, and a head of more than a thousand elements', () => {
    const tooLarge = expect.objectContaining({ code: 'LIMIT_EXCEEDED' });
    expect(() => parseAppcMeta(new Uint8Array(2 ** 20 + 1), name)).toThrow(tooLarge);
    expect(() => parseAppcMeta(page('<meta>'.repeat(999)), name)).toThrow(tooLarge);
    expect(imagesOf('<meta>'.repeat(997), meta('images.test https://a.test/{ext}'))).toEqual(['https://a.test/aci']);
  });

  it('throws nothing but its own errors, and gives nothing but https URLs, whatever the page', () => {
    const pieces = fc.constantFrom(
      '<meta ',
      '<head>',
      '</head>',
      'name=ac-discovery ',
      'name="ac-discovery-pubkeys" ',
      'content="images.test ',
      'https://a.test/{name}.{ext}',
      'http://a.test/{ext}',
      '{version',
      '}',
      '"',
      "'",
      '>',
      '<',
      '<!--',
      '-->',
      '<script>',
      '&#0;',
      '\0',
      '\ufffd',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.array(pieces, { maxLength: 40 }).map((all) => Buffer.from(all.join(''))),
        ),
        (html) => {
          try {
            const { images, publicKeys } = parseAppcMeta(html, name, labels);
            const urls = [...images.flatMap((urls) => [urls.image, urls.signature]), ...publicKeys];
            expect(urls.filter((url) => new URL(url).protocol !== 'https:')).toEqual([]);
          } catch (error) {
            if (!isGantryError(error, 'UNSUPPORTED')) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    '<meta ',
    '<a b=',
    '<!--',
    '<html><',
    '<meta name=ac-discovery content="images.test ',
    '<noscript>',
    '<script>',
    '&amp;',
    '{ext}',
    `${meta('images.test https://a.test/{name}.{ext}')}`,
    `${meta('images.test {{{{{')}`,
  ])('takes little time for a mebibyte of %j', (unit) => {
    const html = new TextEncoder().encode(unit.repeat(2 ** 20 / unit.length));
    const spent = cpuTime(() => {
      try {
        parseAppcMeta(html, name, labels);
      } catch (error) {
        expect(isGantryError(error)).toBe(true);
      }
    });
    expect(spent).toBeLessThan(1000);
  });
});
