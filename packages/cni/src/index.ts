export type { Attachment, AttachmentCache, AttachmentKey } from './attachments.js';
export { CNI, type CNIOptions, capabilitiesOf, type GCAttachment } from './cni.js';
export {
  findNetwork,
  type LoadedNetwork,
  loadNetworkConfigurations,
  type NetworkConfigurations,
} from './config-folder.js';
export { type DelegateOptions, delegate } from './delegate.js';
export type { Exec, ExecOptions, PluginCall, PluginOutput } from './exec.js';
export { FileAttachments } from './file-attachments.js';
export { findPlugin, pluginErrorCodes } from './invoke.js';
export { type NetworkCniOptions, networkCni } from './isolator/network-cni.js';
export type { JsonObject } from './json.js';
export {
  formatNetworkConfigList,
  listOfOne,
  type NetworkConfig,
  type NetworkConfigList,
  parseNetworkConfig,
  parseNetworkConfigList,
} from './network-config.js';
export type { PluginInfo } from './plugin-versions.js';
export { ProcessExec, type ProcessExecOptions } from './process-exec.js';
export type { Result, ResultDNS, ResultInterface, ResultIP, ResultRoute } from './result.js';
export { formatResult, parseResult } from './result-versions.js';
export type { CapabilityArgs, IpRange, PortMappingArg, RuntimeConf } from './runtime-conf.js';
export { probeUserNetwork } from './user/probe.js';
export { currentVersion, supportedVersions } from './versions.js';
export { watchNetworkConfigurations } from './watch.js';
