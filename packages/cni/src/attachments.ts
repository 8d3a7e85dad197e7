import type { NetworkConfigList } from './network-config.js';
import type { Result } from './result.js';
import type { RuntimeConf } from './runtime-conf.js';

/** An attachment is known by its container and the interface in it (specification, section 3). */
export type AttachmentKey = Pick<RuntimeConf, 'containerID' | 'ifName'>;

/** What has to be known of an attachment to check or delete it as it was added. */
export interface Attachment {
  readonly conf: RuntimeConf;
  readonly list: NetworkConfigList;
  /** Absent until the ADD has gone well. */
  readonly result?: Result;
}

/** Remembers attachments from before their ADD until after their DEL. */
export interface AttachmentCache {
  /** Resolves once it would outlive a power cut. */
  save(attachment: Attachment): Promise<void>;
  /** Adds the result of one that was saved. */
  saveResult(attachment: Attachment & { readonly result: Result }): Promise<void>;
  load(key: AttachmentKey): Promise<Attachment | undefined>;
  /** Does nothing if there is none. */
  remove(key: AttachmentKey): Promise<void>;
  /** All, or those of one container. */
  list(containerID?: string): Promise<readonly Attachment[]>;
}
