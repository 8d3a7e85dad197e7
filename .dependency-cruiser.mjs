/**
 * Who may import whom, outside tests: each workspace and the packages it may use, by their public entry only.
 * `npm run check` holds the code to it.
 */
export const uses = {
  interface: [],
  native: ['interface'],
  'image-spec': ['interface'],
  archive: ['interface', 'native'],
  'registry-client': ['interface', 'image-spec'],
  store: ['interface', 'image-spec', 'archive', 'registry-client'],
  provisioner: ['interface', 'archive', 'native'],
  isolators: ['interface', 'native'],
  cni: ['interface'],
  launcher: ['interface', 'native'],
  containerizer: [
    'interface',
    'image-spec',
    'archive',
    'registry-client',
    'store',
    'provisioner',
    'isolators',
    'cni',
    'launcher',
  ],
  cli: ['interface', 'image-spec', 'registry-client', 'store', 'containerizer'],
  testkit: ['interface', 'image-spec'],
};

/** @param {string} name */
const folderOf = (name) => (name === 'native' ? 'native' : `packages/${name}`);
const anyWorkspace = '^(native|packages/[^/]+|examples/[^/]+)';
const entryPoint = `${anyWorkspace}/src/(index|csi|main|unpack-worker|stream-worker|namespace-helper|namespace-worker)\\.ts$`;

const layers = Object.entries(uses).map(([name, used]) => ({
  name: `${name}-uses-only`,
  comment: `${name} may import ${used.join(', ') || 'no package of ours'}`,
  severity: 'error',
  from: { path: `^${folderOf(name)}/src/` },
  to: {
    path: `${anyWorkspace}/`,
    pathNot: [name, ...used].map((other) => `^${folderOf(other)}/`),
  },
}));

export default {
  forbidden: [
    ...layers,
    {
      name: 'by-package-name',
      comment: 'another workspace is imported by its package name, never by a path into it',
      severity: 'error',
      from: { path: '^(native|packages/[^/]+|examples/[^/]+)/', pathNot: '^native/test/' },
      to: { path: `${anyWorkspace}/`, pathNot: '^$1/', dependencyTypesNot: ['aliased-tsconfig-paths'] },
    },
    {
      name: 'shim-tests-by-package-name',
      comment:
        "as above; but the shim's tests speak its protocol, whose TypeScript side is generated into the launcher",
      severity: 'error',
      from: { path: '^native/test/' },
      to: {
        path: `${anyWorkspace}/`,
        pathNot: ['^native/', '^packages/launcher/src/protocol\\.generated\\.ts$'],
        dependencyTypesNot: ['aliased-tsconfig-paths'],
      },
    },
    {
      name: 'no-tests-in-sources',
      comment: 'what is shipped imports neither tests nor scripts',
      severity: 'error',
      from: { path: `${anyWorkspace}/src/` },
      to: { path: '(^|/)(test|scripts)/' },
    },
    {
      name: 'declared',
      comment: "a package of the registry is among the workspace's own dependencies",
      severity: 'error',
      from: { path: `${anyWorkspace}/src/` },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'undetermined'] },
    },
    {
      name: 'found',
      comment: 'every import leads somewhere',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-cycle',
      comment: 'types count, too',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphan',
      comment: 'a source that no entry point reaches is dead',
      severity: 'error',
      from: { path: entryPoint },
      to: { path: `${anyWorkspace}/src/`, pathNot: entryPoint, reachable: false },
    },
  ],
  options: {
    doNotFollow: { path: '(^|/)(node_modules|dist)/' },
    exclude: { path: '(^|/)(dist|build)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.test.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
