import type { fromJSON } from '@grpc/proto-loader';

/** The parts of `csi.v1` that are used, by the field numbers of csi.proto (CSI 1.0 to 1.11). */
export const csiMessages: Parameters<typeof fromJSON>[0] = {
  nested: {
    google: { nested: { protobuf: { nested: { BoolValue: message({ value: ['bool', 1] }) } } } },
    csi: {
      nested: {
        v1: {
          nested: {
            Identity: service('GetPluginInfo', 'GetPluginCapabilities', 'Probe'),
            Controller: service(
              'CreateVolume',
              'ControllerPublishVolume',
              'ControllerUnpublishVolume',
              'ControllerGetCapabilities',
            ),
            Node: service(
              'NodeStageVolume',
              'NodeUnstageVolume',
              'NodePublishVolume',
              'NodeUnpublishVolume',
              'NodeGetCapabilities',
              'NodeGetInfo',
            ),
            GetPluginInfoRequest: message({}),
            GetPluginInfoResponse: message({ name: ['string', 1], vendorVersion: ['string', 2] }),
            GetPluginCapabilitiesRequest: message({}),
            GetPluginCapabilitiesResponse: message({ capabilities: ['PluginCapability', 1, 'repeated'] }),
            PluginCapability: message({ service: ['PluginService', 1] }),
            PluginService: message({ type: ['uint32', 1] }),
            ProbeRequest: message({}),
            ProbeResponse: message({ ready: ['google.protobuf.BoolValue', 1] }),
            CreateVolumeRequest: message(
              {
                name: ['string', 1],
                capacityRange: ['CapacityRange', 2],
                volumeCapabilities: ['VolumeCapability', 3, 'repeated'],
              },
              { parameters: 4, secrets: 5 },
            ),
            CreateVolumeResponse: message({ volume: ['Volume', 1] }),
            CapacityRange: message({ requiredBytes: ['int64', 1], limitBytes: ['int64', 2] }),
            Volume: message({ capacityBytes: ['int64', 1], volumeId: ['string', 2] }, { volumeContext: 3 }),
            VolumeCapability: message({ mount: ['MountVolume', 2], accessMode: ['AccessMode', 3] }),
            MountVolume: message({ fsType: ['string', 1], mountFlags: ['string', 2, 'repeated'] }),
            AccessMode: message({ mode: ['uint32', 1] }),
            ControllerPublishVolumeRequest: message(
              {
                volumeId: ['string', 1],
                nodeId: ['string', 2],
                volumeCapability: ['VolumeCapability', 3],
                readonly: ['bool', 4],
              },
              { secrets: 5, volumeContext: 6 },
            ),
            ControllerPublishVolumeResponse: message({}, { publishContext: 1 }),
            ControllerUnpublishVolumeRequest: message(
              { volumeId: ['string', 1], nodeId: ['string', 2] },
              { secrets: 3 },
            ),
            ControllerUnpublishVolumeResponse: message({}),
            ControllerGetCapabilitiesRequest: message({}),
            ControllerGetCapabilitiesResponse: message({ capabilities: ['Capability', 1, 'repeated'] }),
            Capability: message({ rpc: ['Rpc', 1] }),
            Rpc: message({ type: ['uint32', 1] }),
            NodeStageVolumeRequest: message(
              {
                volumeId: ['string', 1],
                stagingTargetPath: ['string', 3],
                volumeCapability: ['VolumeCapability', 4],
              },
              { publishContext: 2, secrets: 5, volumeContext: 6 },
            ),
            NodeStageVolumeResponse: message({}),
            NodeUnstageVolumeRequest: message({ volumeId: ['string', 1], stagingTargetPath: ['string', 2] }),
            NodeUnstageVolumeResponse: message({}),
            NodePublishVolumeRequest: message(
              {
                volumeId: ['string', 1],
                stagingTargetPath: ['string', 3],
                targetPath: ['string', 4],
                volumeCapability: ['VolumeCapability', 5],
                readonly: ['bool', 6],
              },
              { publishContext: 2, secrets: 7, volumeContext: 8 },
            ),
            NodePublishVolumeResponse: message({}),
            NodeUnpublishVolumeRequest: message({ volumeId: ['string', 1], targetPath: ['string', 2] }),
            NodeUnpublishVolumeResponse: message({}),
            NodeGetCapabilitiesRequest: message({}),
            NodeGetCapabilitiesResponse: message({ capabilities: ['Capability', 1, 'repeated'] }),
            NodeGetInfoRequest: message({}),
            NodeGetInfoResponse: message({ nodeId: ['string', 1] }),
          },
        },
      },
    },
  },
};

type Field = readonly [type: string, id: number, rule?: 'repeated'];

/** `maps` are of strings by strings. */
function message(fields: Readonly<Record<string, Field>>, maps: Readonly<Record<string, number>> = {}) {
  return {
    fields: Object.fromEntries([
      ...Object.entries(fields).map(([name, [type, id, rule]]) => [name, { type, id, ...(rule ? { rule } : {}) }]),
      ...Object.entries(maps).map(([name, id]) => [name, { keyType: 'string', type: 'string', id }]),
    ]),
  };
}

function service(...names: readonly string[]) {
  const methods = names.map((name) => [name, { requestType: `${name}Request`, responseType: `${name}Response` }]);
  return { methods: Object.fromEntries(methods) };
}
