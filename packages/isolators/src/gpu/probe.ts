import { type HostAbility, toGantryError } from '@gantry/interface';
import { defaultCdiFolders } from './cdi-files.js';
import { type FoundGpus, type GpuSources, gpuFinder } from './nvidia/nvidia.js';

/** Which devices of CDI, and which GPUs, containers can have here. Never rejects. */
export async function probeDevices(options: GpuSources): Promise<HostAbility[]> {
  try {
    return abilitiesOf(await gpuFinder(options)(), options);
  } catch (error) {
    const { message } = toGantryError(error, 'looking for devices');
    return [{ name: 'CDI specifications', works: false, reason: message, remedy: 'mend that' }];
  }
}

function abilitiesOf({ gpus, described }: FoundGpus, options: GpuSources): HostAbility[] {
  const { sources, faults } = described;
  const kinds = [...new Set(sources.map(({ spec }) => spec.kind))];
  const folders = (options.cdi?.folders ?? defaultCdiFolders).join(' and ');
  const found = faults.length > 0 ? faults.map(({ message }) => message).join('; ') : `there are none in ${folders}`;
  const remedy = faults.length > 0 ? 'mend or remove that' : "have the device's vendor's tool write one";
  return [
    faults.length === 0 && kinds.length > 0
      ? { name: 'CDI specifications', works: true, detail: kinds.join(', ') }
      : { name: 'CDI specifications', works: false, reason: found, remedy },
    gpus.length > 0
      ? { name: 'NVIDIA GPUs', works: true, detail: gpus.map(({ names }) => names.join(' ')).join(', ') }
      : {
          name: 'NVIDIA GPUs',
          works: false,
          reason: 'there is neither a specification of nvidia.com/gpu nor a node of a GPU',
          remedy: 'load the driver, and run nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml',
        },
  ];
}
