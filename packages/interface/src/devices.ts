/** A device of the host that a container may use. */
export interface DeviceRequest {
  /** The host's device node: `/dev/fuse`. */
  readonly path: string;
  /** Where the container finds it; below `/dev`. Default: as `path`. */
  readonly containerPath?: string;
  /** Of `r` read, `w` write and `m` make further nodes of it. Default `rwm`. Fewer need control groups for devices. */
  readonly permissions?: string;
}
