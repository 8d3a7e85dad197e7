export { loginKey } from './authorizer.js';
export { type AxiosTransportOptions, createAxiosTransport } from './axios-transport.js';
export { type CertificateSource, type RegistryCertificates, registryCertificates } from './certificates.js';
export { createRegistryClient } from './client.js';
export { type DockerConfigOptions, dockerConfigCredentials } from './docker-config/docker-credentials.js';
export type {
  CredentialSource,
  LoginRequest,
  RegistryClientOptions,
  RegistryMirror,
  RegistryRetries,
  RegistryTimeouts,
} from './options.js';
export type { ProxyOptions } from './proxies.js';
export type { Transport, TransportRequest, TransportResponse } from './transport.js';
export { type DownloadOptions, downloadFile, fetchDocument, type WebOptions } from './web.js';
