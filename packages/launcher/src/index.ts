export { compilePlan, type ShimPlan } from './compile/plan.js';
export { createHostProcesses } from './host-processes.js';
export { createHostPrograms } from './host-programs.js';
export { createLauncher, type LauncherOptions } from './launcher.js';
export { createNamespacePins } from './namespace-pins.js';
export type {
  BindStep,
  CapabilitiesStep,
  ChdirStep,
  DeviceStep,
  ExecStep,
  HostnameStep,
  JoinCgroupStep,
  LoopbackUpStep,
  MakeFolderStep,
  MaskStep,
  MountStep,
  NoNewPrivilegesStep,
  OomScoreAdjStep,
  PivotRootStep,
  ReadonlyPathStep,
  ReadonlyRootStep,
  ReadyStep,
  RlimitStep,
  RootBindStep,
  RootOverlayStep,
  SessionKeyringStep,
  SetPropagationStep,
  Step,
  SymlinkStep,
  SysctlStep,
  UmaskStep,
  UserStep,
} from './protocol.generated.js';
