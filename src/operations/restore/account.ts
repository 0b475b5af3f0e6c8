import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Manifest, ManifestColumn, ManifestTable } from '../../model/manifest.ts'
import type { ReportTable } from '../../model/report.ts'
import { type ComparedTable, namesTable } from '../../model/row-comparison.ts'
import type { DatabaseSelection, SurplusSummary, TargetSurvey } from '../../sources/source.ts'
import { counted } from '../report/wording.ts'

/** What a restore would replace, and by what. */
export interface Account {
  /** Rows and sizes now and then; empty where there is nothing to compare. */
  readonly tables: readonly ReportTable[]
  /** Where the two schemas differ: `schema-differs`, and rows that will be gone: `rows-lost`. */
  readonly findings: readonly Finding[]
  /** Rows of tables that have more of them now. */
  readonly rowsLost: number
  /** How many files and folders would be removed. */
  readonly surplus: number
}

/** Pure: `now` is what lies at the target, `then` what the recovery point holds. Of the selected tables only. */
export function accountOf(
  now: TargetSurvey,
  then: Manifest | undefined,
  selection: DatabaseSelection = {},
  compared?: readonly ComparedTable[],
): Account {
  const selects = ({ name }: ManifestTable): boolean => selectsTable(name, selection)
  const [tablesNow, tablesThen] = [now.tables?.filter(selects), tablesOf(then).filter(selects)]
  const rows = compareRows(tablesNow ?? [], tablesThen, compared)
  const { surplus } = now
  const differing = tablesNow !== undefined && tablesThen.length > 0 ? compareSchemas(tablesNow, tablesThen) : []
  return {
    tables: now.exists ? [comparison(now, then, rows, compared !== undefined), ...surplusTables(surplus)] : [],
    findings: [...differing, ...surplusFindings(now.place, surplus)],
    surplus: (surplus?.files ?? 0) + (surplus?.folders ?? 0),
    rowsLost: rows.reduce((sum, each) => sum + each.lost, 0),
  }
}

/** Code of the finding that a restore removes something: asked about even where all else is forced. */
export const SURPLUS = 'surplus'

function surplusTables(surplus: SurplusSummary | undefined): ReportTable[] {
  if (surplus === undefined || surplus.names.length === 0) return []
  const more = surplus.files + surplus.folders - surplus.names.length
  const rows = [...surplus.names, ...(more > 0 ? [`and ${more} more`] : [])].map(name => [name])
  return [{ title: 'what is removed', columns: [{ name: 'path', align: 'left' }], rows }]
}

function surplusFindings(place: string, surplus: SurplusSummary | undefined): Finding[] {
  if (surplus === undefined || surplus.names.length === 0) return []
  const { files, folders, sizeBytes } = surplus
  const what = [counted(files, 'file'), ...(folders > 0 ? [counted(folders, 'folder')] : [])].join(' and ')
  return [
    {
      severity: 'warning',
      code: SURPLUS,
      subject: place,
      message: `${what} (${formatSize(sizeBytes)}) that the recovery point has not got will be removed`,
    },
  ]
}

export function selectsTable(name: string, { tables = [], schemas = [] }: DatabaseSelection = {}): boolean {
  return (
    tables.length + schemas.length === 0 ||
    tables.some(wanted => namesTable(wanted, name)) ||
    schemas.some(wanted => name.startsWith(`${wanted}.`))
  )
}

/** Of several databases, with the database's name in front. */
export function tablesOf(manifest: Manifest | undefined): readonly ManifestTable[] {
  const databases = manifest?.database?.databases ?? []
  const [only] = databases
  if (databases.length === 1 && only) return only.tables
  if (databases.length > 1) {
    return databases.flatMap(({ name, tables }) => tables.map(table => ({ ...table, name: `${name}.${table.name}` })))
  }
  return manifest?.database?.tables ?? []
}

interface Compared {
  readonly name: string
  readonly now: ManifestTable | undefined
  readonly before: ManifestTable | undefined
  /** Where its rows were compared. */
  readonly rows: ComparedTable | undefined
  readonly lost: number
}

function compareRows(
  now: readonly ManifestTable[],
  then: readonly ManifestTable[],
  compared: readonly ComparedTable[] = [],
): Compared[] {
  const before = new Map(then.map(table => [table.name, table]))
  const today = new Map(now.map(table => [table.name, table]))
  const known = new Map(compared.filter(each => each.problem === undefined).map(each => [each.table, each]))
  const names = [...new Set([...today.keys(), ...before.keys()])].toSorted()
  return names.map(name => {
    const [here, there, rows] = [today.get(name), before.get(name), known.get(name)]
    const fewer = Math.max(0, (here?.rows ?? 0) - (there?.rows ?? 0))
    return { name, now: here, before: there, rows, lost: rows === undefined ? fewer : rows.onlyAfter + rows.changed }
  })
}

function comparison(
  now: TargetSurvey,
  then: Manifest | undefined,
  rows: readonly Compared[],
  isCompared: boolean,
): ReportTable {
  const size = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatSize(bytes))
  const files = (count: number | undefined): string => (count === undefined ? '-' : String(count))
  const sizes = ['size', size(now.sizeBytes), size(sizeOf(then))]
  const counts = ['files', files(now.files), files(then?.totals.files)]
  const body = rows.map(each => [
    `rows of ${each.name}`,
    each.now === undefined ? 'no such table' : `${each.now.estimated === true ? '~' : ''}${each.now.rows}`,
    each.before === undefined ? 'no such table' : String(each.before.rows),
    ...(isCompared ? differences(each.rows) : [difference(each.now, each.before)]),
  ])
  const titles = ['now', 'then', ...(isCompared ? [ONLY_NOW, ONLY_THEN, 'changed'] : ['difference'])]
  const filled = (row: string[]): string[] => [...row, ...Array<string>(titles.length + 1 - row.length).fill('')]
  return {
    title: 'what is there, and what comes',
    columns: [{ name: '', align: 'left' }, ...titles.map(name => ({ name, align: 'right' as const }))],
    rows: [filled(sizes), ...(rows.length === 0 ? [filled(counts)] : body)],
  }
}

/** Titles of columns that a restore that was carried out tells of as past. */
export const ONLY_NOW = 'only now'
export const ONLY_THEN = 'only then'

/** Nothing where nothing differs, so that what does is seen. */
function differences(rows: ComparedTable | undefined): string[] {
  if (rows === undefined) return ['?', '?', '?']
  return [rows.onlyAfter, rows.onlyBefore, rows.changed].map(count => (count === 0 ? '' : String(count)))
}

/** As the server counts it, where it does: a dump is smaller than its database. */
function sizeOf(manifest: Manifest | undefined): number | undefined {
  const databases = manifest?.database?.databases
  if (databases === undefined) return manifest?.totals.sizeBytes
  return databases.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
}

function difference(now: ManifestTable | undefined, then: ManifestTable | undefined): string {
  const more = (then?.rows ?? 0) - (now?.rows ?? 0)
  return more === 0 ? '' : more > 0 ? `+${more}` : String(more)
}

/** Tables and columns that only one side has, and types that differ. */
export function compareSchemas(now: readonly ManifestTable[], then: readonly ManifestTable[]): Finding[] {
  const before = new Map(then.map(table => [table.name, table]))
  const today = new Map(now.map(table => [table.name, table]))
  const findings: Finding[] = []
  const say = (subject: string, message: string): void => {
    findings.push({ severity: 'warning', code: 'schema-differs', subject, message })
  }
  for (const table of now) {
    const other = before.get(table.name)
    if (other === undefined) say(table.name, 'is not in the recovery point')
    else if (table.columns && other.columns) compareColumns(table.name, table.columns, other.columns, say)
  }
  for (const table of then) if (!today.has(table.name)) say(table.name, 'is only in the recovery point')
  return findings
}

function compareColumns(
  table: string,
  now: readonly ManifestColumn[],
  then: readonly ManifestColumn[],
  say: (subject: string, message: string) => void,
): void {
  const before = new Map(then.map(column => [column.name, column]))
  const today = new Set(now.map(column => column.name))
  for (const column of now) {
    const other = before.get(column.name)
    const subject = `${table}.${column.name}`
    if (other === undefined) say(subject, `is not in the recovery point (${describe(column)})`)
    else if (describe(other) !== describe(column)) say(subject, `was ${describe(other)} and is ${describe(column)}`)
  }
  for (const column of then) {
    if (!today.has(column.name)) say(`${table}.${column.name}`, `is only in the recovery point (${describe(column)})`)
  }
}

function describe({ type, notNull, key }: ManifestColumn): string {
  const words = [type === '' ? 'of no type' : type, notNull === true ? 'not null' : '', key === true ? 'key' : '']
  return words.filter(Boolean).join(' ')
}
