/** What is mounted in a container, by what it is made of. */
export type ContainerMount =
  | {
      readonly type: 'bind';
      /** Absolute path on the host; must exist. */
      readonly source: string;
      /** Absolute path in the container; created if absent, resolved inside the root. */
      readonly target: string;
      readonly readonly?: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      /** Bytes. Default 64 MiB. */
      readonly size?: number;
      /** Octal permission bits. Default 0o1777. */
      readonly mode?: number;
    };
