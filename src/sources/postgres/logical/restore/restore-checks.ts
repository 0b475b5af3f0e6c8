import type { Session } from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase, ManifestTable } from '../../../../model/manifest.ts'
import type { CheckOutcome } from '../../../source.ts'
import { countAlone } from '../capture/count-table.ts'
import { listTables } from '../capture/database-snapshot.ts'
import { DEFAULT_SEARCH_PATH } from '../search-path.ts'
import { displayName } from '../tables/table-pattern.ts'

const EVERYTHING = { tables: [], excludeTables: [], schemas: [], excludeSchemas: [] }
const SHOWN = 5

/** Every table counted again, against what the snapshot says. `only` limits it to some tables. */
export async function checkRows(
  session: Session,
  database: ManifestServerDatabase,
  only?: ReadonlySet<string>,
): Promise<CheckOutcome> {
  const wanted = only ? database.tables.filter(table => only.has(table.name)) : database.tables
  const path = database.searchPath ?? DEFAULT_SEARCH_PATH
  const found: ManifestTable[] = []
  const names = new Set(wanted.map(table => table.name))
  for (const table of await listTables(session, EVERYTHING)) {
    const name = displayName(table)
    if (names.has(name)) found.push({ name, rows: await countAlone(session, table, path) })
  }
  return compareRows(`row counts of ${database.name}`, wanted, found)
}

/** Pure: what was there against what is. What could not be counted then is held to nothing. */
export function compareRows(
  name: string,
  captured: readonly ManifestTable[],
  found: readonly ManifestTable[],
): CheckOutcome {
  const wanted = captured.filter(table => table.estimated !== true)
  const rows = new Map(found.map(table => [table.name, table.rows]))
  const wrong = wanted.filter(table => rows.get(table.name) !== table.rows)
  const describe = (tables: readonly ManifestTable[]): string =>
    `${tables.reduce((sum, table) => sum + table.rows, 0)} rows in ${tables.length} tables`
  if (wrong.length === 0) return { name, passed: true, expected: describe(wanted), found: describe(wanted) }
  const shown = wrong.slice(0, SHOWN)
  const say = (count: (table: ManifestTable) => number | undefined): string =>
    shown.map(table => `${table.name}: ${count(table) ?? 'missing'}`).join(', ') + (wrong.length > SHOWN ? ', ...' : '')
  return { name, passed: false, expected: say(table => table.rows), found: say(table => rows.get(table.name)) }
}
