export { type AxiosTransportOptions, createAxiosTransport } from './axios-transport.js';
export { createRegistryClient } from './client.js';
export type { CredentialSource, RegistryClientOptions, RegistryRetries, RegistryTimeouts } from './options.js';
export type { Transport, TransportRequest, TransportResponse } from './transport.js';
