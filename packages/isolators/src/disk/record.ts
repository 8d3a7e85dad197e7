import { ContainerRecords } from '../records.js';

/** What is kept of a container whose disk is limited. */
export interface DiskRecord {
  /** Who holds it to the limit: the kernel, or who measures. */
  readonly by: 'quota' | 'polling';
  /** What is measured. */
  readonly folders: readonly string[];
  /** A folder of the same file system that outlives the container. */
  readonly anchor: string;
  /** Bytes; absent for none. */
  readonly limit?: number;
  /** Set once there is one. */
  readonly project?: number;
}

export type DiskRecords = ContainerRecords<DiskRecord>;

/** The records of both disk isolators, which look after different containers. */
export function diskRecords(stateFolder: string): DiskRecords {
  return new ContainerRecords<DiskRecord>(`${stateFolder}/disk`);
}

/** The record of a container, if it is whole and of one kind. */
export function recordBy(records: DiskRecords, id: string, by: DiskRecord['by']): DiskRecord | undefined {
  const { by: kind, folders, anchor, ...rest } = records.read(id) ?? {};
  return kind === by && folders && anchor !== undefined ? { by, folders, anchor, ...rest } : undefined;
}
