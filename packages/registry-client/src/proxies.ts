import { BlockList, isIP } from 'node:net';
import { GantryError } from '@gantry/interface';
import { isLoopbackHost } from './addresses.js';

/** Proxies, by the scheme of what is asked for. Loopback hosts are always reached directly. */
export interface ProxyOptions {
  /** For plain HTTP: `http://user:password@proxy.example:3128`; with `https://` the proxy itself is spoken to over TLS. */
  readonly http?: string;
  /** For HTTPS, through a tunnel (CONNECT): the proxy sees host and port, no more. */
  readonly https?: string;
  /**
   * Hosts to be reached directly: `registry.example` and all below it, `.example` for those below only, an address, a
   * network such as `10.0.0.0/8`, each with `:port` or without; `*` for all.
   */
  readonly none?: readonly string[];
}

/** The proxy for a URL; undefined for none. */
export type ProxyChoice = (url: URL) => URL | undefined;

/** What `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in lower case or, failing that, in upper case. */
export function proxiesOf(environment: NodeJS.ProcessEnv): ProxyOptions {
  const read = (name: string) => environment[name] || environment[name.toUpperCase()] || undefined;
  const http = read('http_proxy') ?? read('all_proxy');
  const https = read('https_proxy') ?? read('all_proxy');
  const none = read('no_proxy')
    ?.split(/[\s,]+/)
    .filter((entry) => entry !== '');
  return { ...(http && { http }), ...(https && { https }), ...(none && { none }) };
}

/** `INVALID_ARGUMENT` (field `proxy`) for what is no URL of a proxy. */
export function proxyChoice(options: ProxyOptions): ProxyChoice {
  const proxies = { 'http:': parseProxy(options.http), 'https:': parseProxy(options.https) };
  const exceptions = (options.none ?? []).map(exception);
  return ({ protocol, hostname, port }) => {
    if (protocol !== 'http:' && protocol !== 'https:') return undefined;
    if (isLoopbackHost(hostname)) return undefined;
    const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
    const portUsed = port || (protocol === 'https:' ? '443' : '80');
    return exceptions.some((covers) => covers(host, portUsed)) ? undefined : proxies[protocol];
  };
}

/** The Basic header for a proxy whose URL has a login. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(login).toString('base64')}`;
}

function parseProxy(text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  const withScheme = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.hostname !== '') return url;
  // Without the text: it may have a password.
  throw new GantryError(
    'INVALID_ARGUMENT',
    'registry client option proxy: want http://host:port or https://host:port',
    {
      details: { field: 'proxy' },
    },
  );
}

/** Reads one entry of `none`; what cannot be read covers nothing. */
function exception(entry: string): (host: string, port: string) => boolean {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]+)\]|([^:]*|[^:]*:[^:]*:.*?))(?::([0-9]+))?$/.exec(entry) ?? [];
  const name = (bracketed ?? plain).toLowerCase();
  const covers = name.includes('/') ? network(name) : domain(name);
  return (host, used) => (port === undefined || port === used) && covers(host);
}

function network(text: string): (host: string) => boolean {
  const [address = '', bits = ''] = text.split('/');
  const version = isIP(address);
  const most = version === 4 ? 32 : 128;
  if (version === 0 || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > most) return () => false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), version === 4 ? 'ipv4' : 'ipv6');
  return (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}

function domain(name: string): (host: string) => boolean {
  if (name === '*') return () => true;
  const below = name.replace(/^\*?\./, '');
  if (below === '') return () => false;
  return (host) => (host === below && below === name) || host.endsWith(`.${below}`);
}
