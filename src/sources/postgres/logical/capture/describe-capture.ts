import { createHash } from 'node:crypto'
import type { ManifestDatabase, ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { PostgresOptions } from '../../options.ts'
import { filterArguments } from '../tables/table-filter.ts'
import { anyTable, displayName } from '../tables/table-pattern.ts'
import { ONLY_TABLES } from './part-snapshot.ts'
import type { LogicalCaptureInit, PlannedDatabase } from './planned-database.ts'

/** What the manifest says of databases that were read whole. */
export async function describeCapture(
  init: LogicalCaptureInit,
  whole: readonly PlannedDatabase[],
): Promise<ManifestDatabase> {
  return describeServer(init, await Promise.all(whole.map(each => describeDatabase(each, init.options))))
}

function describeServer(init: LogicalCaptureInit, databases: readonly ManifestServerDatabase[]): ManifestDatabase {
  const [only] = databases
  const fingerprints = databases.map(({ name, schemaFingerprint: print }) => `${name} ${print}`).join('\n')
  const single = databases.length === 1 && only !== undefined
  return {
    tables: databases.flatMap(each =>
      single ? each.tables : each.tables.map(table => ({ ...table, name: `${each.name}.${table.name}` })),
    ),
    schemaFingerprint: single ? only.schemaFingerprint : createHash('sha256').update(fingerprints).digest('hex'),
    databases,
    properties: {
      mode: 'logical',
      pgDumpVersion: init.tools.version,
      serverVersionNumber: init.snapshots[0]?.session.versionNumber ?? 0,
      globals: globalsOf(init),
      filtered: filterArguments(init.options).length > 0 || init.options.excludeTableData.length > 0,
      ...(init.request.tables === undefined ? {} : { [ONLY_TABLES]: true }),
    },
  }
}

function globalsOf({ options, superuser }: LogicalCaptureInit): string {
  if (!options.globals) return 'none'
  return superuser ? 'with-passwords' : 'without-passwords'
}

async function describeDatabase(
  database: PlannedDatabase,
  { excludeTableData }: PostgresOptions,
): Promise<ManifestServerDatabase> {
  const { snapshot, plan, fingerprint, rows } = database
  const rowless = new Set(snapshot.tables.filter(anyTable(excludeTableData)).map(displayName))
  await database.looked
  const tables = await snapshot.describeTables(rows)
  return {
    ...snapshot.facts,
    capturedAt: snapshot.capturedAt.toISOString(),
    schemaFingerprint: fingerprint,
    tables: tables.map(({ estimated, ...table }) => {
      if (rowless.has(table.name)) return { ...table, rows: 0, withoutRows: true }
      return estimated === undefined ? table : { ...table, estimated }
    }),
    archives: [plan.main.path, ...plan.parts.map(part => part.path)],
  }
}
