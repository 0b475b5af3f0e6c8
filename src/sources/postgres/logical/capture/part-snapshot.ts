import type { Finding } from '../../../../model/finding.ts'
import type { Manifest, ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { DatabaseSelection } from '../../../source.ts'
import { displayName, type TableName } from '../tables/table-pattern.ts'

/** Of the manifest's properties: the capture was told to take some tables, because only those were about to change. */
export const ONLY_TABLES = 'onlyTables'

const SHOWN = 20

/** In the place of a whole database, such a snapshot would take away all other tables. Undefined where that is not asked. */
export function replacesByPart(
  snapshot: string,
  manifest: Manifest | undefined,
  { tables = [], schemas = [], part }: DatabaseSelection = {},
): Finding | undefined {
  const isPart = tables.length + schemas.length > 0 || part === 'data'
  if (manifest?.database?.properties[ONLY_TABLES] !== true || isPart) return undefined
  const names = manifest.database.tables.map(each => each.name)
  const shown = names.length > SHOWN ? '--table NAME ...' : names.map(name => `--table ${name}`).join(' ')
  return {
    severity: 'error',
    code: 'target-invalid',
    subject: `snapshot ${snapshot.slice(0, 8)}`,
    message: `it holds only the tables that a restore was about to change (${names.slice(0, SHOWN).join(', ')}): the database would lose all others`,
    hint: `Bring its tables back (${shown}), or restore it to a new database with --to.`,
  }
}

/** Tables of which the snapshot has no row, since the source leaves them out (`excludeTableData`). */
export function rowlessAmong(tables: readonly TableName[], database: ManifestServerDatabase): TableName[] {
  const rowless = new Set(database.tables.filter(each => each.withoutRows === true).map(each => each.name))
  return tables.filter(table => rowless.has(displayName(table)))
}

export function keptRows(table: TableName): Finding {
  return {
    severity: 'warning',
    code: 'rows-not-captured',
    subject: displayName(table),
    message: 'the snapshot has none of its rows ("excludeTableData" of the source): those that are there stay',
  }
}
