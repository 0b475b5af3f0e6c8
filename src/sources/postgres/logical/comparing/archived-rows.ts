import type { ManifestServerDatabase, ManifestTable } from '../../../../model/manifest.ts'
import { type ArchivedTable, listArchivedTables, readArchivedTables } from '../archive/archive-tables.ts'
import type { Archives } from '../archive/archives.ts'
import type { SideRows, SideTable } from './side-rows.ts'

/** Straight from the archives of a snapshot: no server, no program, no second copy of them. */
export async function openArchivedRows(archives: Archives, database: ManifestServerDatabase): Promise<SideRows> {
  const archived = await listArchivedTables(archives, database.archives)
  const byName = new Map(archived.map(table => [table.name, table]))
  const known = new Map(database.tables.map(table => [table.name, table]))
  const names = new Set([...byName.keys(), ...known.keys()])
  const tables = [...names].map((name): [string, SideTable] => [
    name,
    sideTable(name, byName.get(name), known.get(name)),
  ])
  return {
    tables: new Map(tables),
    read: wanted =>
      readArchivedTables(
        archives,
        archived.filter(({ name }) => wanted.includes(name)),
      ),
    close: () => Promise.resolve(),
  }
}

function sideTable(name: string, archived: ArchivedTable | undefined, known: ManifestTable | undefined): SideTable {
  const columns = archived?.columns ?? []
  const key = known?.columns?.filter(column => column.key === true).map(column => column.name)
  const isLeftOut = archived === undefined || known?.withoutRows === true
  return {
    name,
    columns,
    key,
    rows: known === undefined || known.estimated === true ? undefined : known.rows,
    problem: isLeftOut ? 'its rows are not in the recovery point' : undefined,
  }
}
