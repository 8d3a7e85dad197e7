/** A device that a container may use: one of the host's nodes, or one that a CDI specification describes. */
export type DeviceRequest = HostDeviceRequest | CdiDeviceRequest;

export interface HostDeviceRequest {
  /** The host's device node: `/dev/fuse`. */
  readonly path: string;
  /** Where the container finds it; below `/dev`. Default: as `path`. */
  readonly containerPath?: string;
  /** Of `r` read, `w` write and `m` make further nodes of it. Default `rwm`. Fewer need control groups for devices. */
  readonly permissions?: string;
}

/** With all that its specification (Container Device Interface, 0.3.0 to 1.1.0) has: nodes, mounts, variables, hooks. */
export interface CdiDeviceRequest {
  /** Its fully qualified name: `vendor.com/class=name`. */
  readonly cdi: string;
}
