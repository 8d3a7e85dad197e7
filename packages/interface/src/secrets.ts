/** Names a secret; what the names mean is for the host program's {@link SecretResolver} to say. References are recorded, secrets never. */
export interface SecretReference {
  readonly name: string;
  /** Of one value among those of the secret. */
  readonly key?: string;
}

/** Gives secrets. Asked at every launch, and for each process that is started in a running container, which so gets what is valid then. */
export interface SecretResolver {
  /** Text is encoded as UTF-8. Whatever it throws ends the launch; its message is kept, so it must not tell the secret. */
  resolve(
    reference: SecretReference,
    options: { readonly container: string; readonly signal?: AbortSignal },
  ): Promise<Uint8Array | string>;
}

/** What a launch needs and no document, plan or record may hold. */
export interface LaunchSecrets {
  /** Values of the variables that the request names in `secretEnv`. */
  readonly env: ReadonlyMap<string, string>;
  /** Contents of the request's `secretFiles`, by `SecretFile.id`. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A file whose content comes with the launch. */
export interface SecretFile {
  /** Of its content in {@link LaunchSecrets}. */
  readonly id: string;
  /** Destination of the mount of type `ramfs` in the document that holds it, or that is it. */
  readonly destination: string;
  /** In the folder; absent if the destination itself is the file. */
  readonly name?: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}
