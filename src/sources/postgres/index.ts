import { defineSource } from '../source.ts'
import { isOwnPostgresPlace, ownPostgresPlace, postgresOptions, postgresOptionsAt } from './options.ts'

export const postgres = defineSource({
  kind: 'postgres',
  summary: 'PostgreSQL: databases by pg_dump (logical), or a whole cluster with its log (physical).',
  options: postgresOptions,
  optionsAt: postgresOptionsAt,
  ownPlace: ownPostgresPlace,
  hasLog: ({ mode }) => mode === 'physical',
  logFormat: async () => (await import('./physical/log/log-format.ts')).walFormat,
  isOwnPlace: isOwnPostgresPlace,
  byRestic: ({ mode }) =>
    mode === 'logical'
      ? 'archives of pg_dump, which pg_restore loads'
      : 'a base backup of the data directory; the log that follows it needs Lifeboat',
  answers: 'sql',
  load: async () => {
    const { PostgresSource } = await import('./postgres-source.ts')
    return (name, options, place) => new PostgresSource(name, options, place)
  },
})
