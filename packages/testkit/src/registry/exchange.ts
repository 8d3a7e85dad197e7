import type { IncomingMessage } from 'node:http';
import type { Content } from './content.js';
import type { Repositories } from './repositories.js';
import type { UploadSessions } from './upload-sessions.js';

/** What the handlers share. */
export interface Shelf {
  readonly content: Content;
  readonly repositories: Repositories;
  readonly uploads: UploadSessions;
  /** Lists the referrers of a manifest itself; else that is left to its clients. */
  readonly keepsReferrers: boolean;
}

/** A request to one repository. */
export interface Exchange {
  readonly shelf: Shelf;
  readonly request: IncomingMessage;
  readonly method: string;
  readonly query: URLSearchParams;
  /** Name of the repository. */
  readonly name: string;
  /** What follows `manifests/`, `blobs/`, `tags/` or `referrers/`, decoded. */
  readonly target: string;
}
