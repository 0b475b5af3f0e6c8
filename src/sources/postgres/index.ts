import { defineSource } from '../source.ts'
import {
  clusterOptions,
  isOwnDatabase,
  isOwnDataDirectory,
  ownDataDirectory,
  postgresOptions,
  postgresOptionsAt,
} from './options.ts'
import {
  clusterMomentOptions,
  clusterRestoreOptions,
  databaseRestoreOptions,
  momentPartOf,
  startsServer,
} from './restore-options.ts'

export const postgres = defineSource({
  kind: 'postgres',
  summary: 'PostgreSQL databases, by pg_dump.',
  example: 'shop: { kind: postgres, url: "${DATABASE_URL}" }',
  options: postgresOptions,
  wrongKeys: {
    mode: mode =>
      mode === 'physical'
        ? 'a whole cluster is a kind of its own: write "kind: postgres-cluster", and leave "mode" out'
        : 'leave it out: databases by pg_dump are what "kind: postgres" is',
  },
  restoreOptions: databaseRestoreOptions,
  optionsAt: postgresOptionsAt,
  ownPlace: () => 'postgres:///',
  hasLog: false,
  isOwnPlace: async (place, own) => isOwnDatabase(place, own),
  byRestic: 'archives of pg_dump, which pg_restore loads',
  answers: 'sql',
  discover: async around => (await import('./discover.ts')).discoverServers(around),
  programs: async environment => (await import('./programs.ts')).findPrograms(environment),
  load: async () => {
    const { LogicalSource } = await import('./logical/logical-source.ts')
    return (name, options, place) => new LogicalSource(name, options, place)
  },
})

export const postgresCluster = defineSource({
  kind: 'postgres-cluster',
  summary: 'A whole PostgreSQL cluster as its files, with its log: to any moment.',
  example: 'main: { kind: postgres-cluster, url: "${DATABASE_URL}" }',
  options: clusterOptions,
  wrongKeys: { mode: () => 'leave it out: all of a cluster is what "kind: postgres-cluster" is' },
  restoreOptions: clusterRestoreOptions,
  moment: { options: clusterMomentOptions, partOf: momentPartOf },
  reachesEnd: startsServer,
  optionsAt: (_place, own) => own ?? clusterOptions.parse({}),
  ownPlace: ownDataDirectory,
  hasLog: true,
  logFormat: async () => (await import('./physical/log/log-format.ts')).walFormat,
  isOwnPlace: isOwnDataDirectory,
  byRestic: 'a base backup of the data directory; the log that follows it needs Lifeboat',
  answers: 'sql',
  load: async () => {
    const [{ PhysicalSource }, { connectionOf }] = await Promise.all([
      import('./physical/physical-source.ts'),
      import('./connection.ts'),
    ])
    return (name, options, place) =>
      new PhysicalSource(name, { ...options, connection: () => connectionOf(options, place) })
  },
})
