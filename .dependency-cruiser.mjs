// The architecture, as rules. Each `comment` says why; CI fails on any error.
// Layers, bottom up: base → model, clients → (storage | sources | notifiers | catalog | repository)
//   → operations, outputs → scheduler, alerts, config → app → http → daemon → cli → main
const TESTS = '\\.test\\.tsx?$'
const PORTS = 'sources|storage|notifiers|catalog'

/** A layer may reach only the paths listed (besides itself, npm and node:). */
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from, pathNot: TESTS },
  to: { path: '^(src|web|test)/', pathNot: [from, ...allowed] },
})
const BASE = '^src/base/',
  MODEL = '^src/model/',
  BESIDE = '^src/sources/beside/'
const INTERFACES = `^src/(${PORTS})/(source|storage|notifier|catalog)\\.ts$`
const REPO = '^src/repository/index\\.ts$',
  OPS = '^src/operations/'

export default {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'Cycles hide the layering; type-only imports count too.',
      from: {},
      to: { circular: true },
    },
    only('base-is-leaf', BASE, [], 'base/ knows nothing of backups.'),
    only(
      'clients-know-base-only',
      '^src/clients/',
      [BASE],
      'An API client (S3, Cloudflare) has no idea what we use it for.',
    ),
    only('model-is-pure', MODEL, [BASE], 'model/ is nouns and rules; no adapters.'),
    {
      name: 'model-does-no-io',
      severity: 'error',
      comment: 'Pure code is tested without fakes.',
      from: { path: MODEL, pathNot: TESTS },
      to: { dependencyTypes: ['core'], path: '^(node:)?(fs|child_process|net|http|https|worker_threads)' },
    },
    {
      name: 'adapters-are-strangers',
      severity: 'error',
      comment:
        'An adapter folder imports the files of its own room (not the registry), what it shares, clients, model, base — never another adapter.',
      from: { path: `^src/(${PORTS})/([^/]+)/`, pathNot: TESTS },
      to: {
        path: '^(src|web|test)/',
        pathNot: [`^src/$1/$2/`, `^src/$1/(?!registry\\.ts$)[^/]+\\.ts$`, BESIDE, '^src/clients/', BASE, MODEL],
      },
    },
    only(
      'beside-knows-no-kind',
      BESIDE,
      ['^src/sources/target(-place)?\\.ts$', MODEL, BASE],
      'Markers, swaps and what makes them durable are the same for every kind of source.',
    ),
    {
      name: 'adapters-only-through-registry',
      severity: 'error',
      comment: 'Only registry.ts opens an adapter folder, and only its index.ts.',
      from: { pathNot: [`^src/(${PORTS})/registry\\.ts$`, `^src/(${PORTS})/[^/]+/`, '^test/', TESTS] },
      to: { path: `^src/(${PORTS})/[^/]+/` },
    },
    {
      name: 'registry-opens-index-only',
      severity: 'error',
      comment: 'index.ts is the front door of an adapter.',
      from: { path: `^src/(${PORTS})/registry\\.ts$` },
      to: { path: `^src/(${PORTS})/[^/]+/`, pathNot: '/index\\.ts$' },
    },
    {
      name: 'registries-only-at-the-root',
      severity: 'error',
      comment: 'Concrete adapters are chosen in one place.',
      from: { pathNot: ['^src/app/', '^src/config/', '^test/', TESTS] },
      to: { path: `^src/(${PORTS})/registry\\.ts$` },
    },
    only(
      'repository-needs-storage-interface-only',
      '^src/repository/',
      ['^src/storage/storage(-error)?\\.ts$', MODEL, BASE],
      'The restic format must work over any byte store.',
    ),
    {
      name: 'repository-internals-are-private',
      severity: 'error',
      comment: 'Packs, index and crypto are reached through repository/index.ts.',
      from: { pathNot: ['^src/repository/', '^test/'] },
      to: { path: '^src/repository/', pathNot: REPO },
    },
    only(
      'operations-use-interfaces',
      OPS,
      [INTERFACES, REPO, MODEL, BASE],
      'A use case is told which adapters to use.',
    ),
    only(
      'outputs-are-shapes',
      '^src/outputs/',
      [OPS, INTERFACES, REPO, MODEL, BASE],
      'What is printed as JSON: one schema an output, for the command line and HTTP alike.',
    ),
    only('scheduler-runs-operations', '^src/scheduler/', [OPS, INTERFACES, MODEL, BASE], 'When, not how.'),
    only(
      'alerts-judge-and-tell',
      '^src/alerts/',
      [INTERFACES, MODEL, BASE],
      'Alerts read the catalog and call notifiers.',
    ),
    only(
      'config-is-parsing',
      '^src/config/',
      [`^src/(${PORTS})/registry\\.ts$`, MODEL, BASE],
      'Config turns a file into typed options.',
    ),
    only(
      'http-is-thin',
      '^src/http/',
      ['^src/app/', '^src/(outputs|scheduler|config)/', OPS, INTERFACES, REPO, MODEL, BASE],
      'A route parses, calls one operation, serialises.',
    ),
    only(
      'daemon-wires-lifecycles',
      '^src/daemon/',
      ['^src/app/', '^src/(http|scheduler|alerts|config)/', OPS, INTERFACES, MODEL, BASE],
      'start, stop, signals.',
    ),
    only(
      'cli-is-thin',
      '^src/cli/',
      ['^src/app/', '^src/(daemon|outputs|config)/', OPS, INTERFACES, REPO, MODEL, BASE],
      'A command parses, calls one operation, prints.',
    ),
    {
      name: 'only-cli-sees-daemon',
      severity: 'error',
      comment: 'The daemon is one of the commands.',
      from: { pathNot: ['^src/(daemon|cli)/', '^test/', TESTS] },
      to: { path: '^src/daemon/' },
    },
    only(
      'web-sees-the-contract-only',
      '^web/',
      ['^src/http/contract/'],
      'The dashboard is an API client like any other.',
    ),
    {
      name: 'no-test-code-in-product',
      severity: 'error',
      comment: 'Product code never imports tests.',
      from: { path: '^(src|web)/', pathNot: TESTS },
      to: { path: ['^test/', TESTS] },
    },
    {
      name: 'no-dev-deps-in-product',
      severity: 'error',
      comment: 'A production install must run.',
      from: { path: '^src/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-orphans',
      severity: 'warn',
      comment: 'Dead file?',
      from: { orphan: true, pathNot: ['^src/main\\.ts$', '\\.d\\.ts$', TESTS] },
      to: {},
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
}
