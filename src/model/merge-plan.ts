import { AppError } from '../base/errors.ts'
import { type ConflictRule, type MergeRules, ResolvedRules, type TableRules } from './merge-rules.ts'
import { groupByReference } from './reference-order.ts'
import {
  type ColumnDescription,
  type ForeignKey,
  findColumn,
  sameColumns,
  type TableDescription,
} from './table-description.ts'

/** What a merge will do with each table, known before a row was read. */
export interface MergePlan {
  /** Parents before children; tables that refer to one another in a circle are one group. */
  readonly groups: ReadonlyArray<readonly PlannedTable[]>
  readonly left: readonly LeftTable[]
  readonly differences: readonly SchemaDifference[]
  readonly triggers: boolean
}

export interface PlannedTable {
  readonly name: string
  readonly target: TableDescription
  readonly backup: TableDescription
  /** The columns that say that two rows are the same. */
  readonly key: readonly string[]
  readonly keyFrom: 'rule' | 'primary key' | 'unique key'
  /** The target itself guarantees that no two rows have one key. */
  readonly keyGuaranteed: boolean
  /** What is carried over: the columns of both sides, without those that the database computes. */
  readonly columns: readonly ColumnDescription[]
  readonly onConflict: ConflictRule
  readonly newerBy: string | undefined
  readonly links: readonly Link[]
  /** Column sets that links refer to, each of which must be unique in the backup. */
  readonly referenced: ReadonlyArray<readonly string[]>
  /** Unique keys beside the key. A row that would break one of them is left out. */
  readonly others: ReadonlyArray<readonly string[]>
  /** A primary key that is a number and means nothing but the row: given anew where it is taken. */
  readonly numbered: ColumnDescription | undefined
  /** What a matched row keeps in any case: its keys, and what other rows refer to it by. */
  readonly kept: readonly string[]
}

/** A reference from one table to another, declared or by rule. */
export interface Link {
  readonly name: string
  readonly columns: readonly string[]
  readonly parent: string
  readonly parentColumns: readonly string[]
  /** The parent's rows of the backup are merged too, and lead to those of the target. */
  readonly followed: boolean
  /**
   * A value that no row of the backup has may still mean a row of the target: the parent is not merged, or these columns
   * are its key.
   */
  readonly byValue: boolean
  /** One of the columns is part of the table's key: rows can be matched when their parents are. */
  readonly inKey: boolean
  /** The parent is in the same group. */
  readonly within: boolean
}

export interface LeftTable {
  readonly table: string
  /**
   * `needs-application`: its indexes or rules can be computed by the application alone. `not-readable`: a virtual table whose
   * rows can't be read as such. `index-outdated`: a search index that could not be brought in line with its table.
   */
  readonly why:
    | 'rule'
    | 'only-in-backup'
    | 'only-in-target'
    | 'migrations'
    | 'needs-application'
    | 'not-readable'
    | 'index-outdated'
}

export interface SchemaDifference {
  readonly table: string
  readonly column: string
  readonly kind: 'only-in-backup' | 'only-in-target' | 'type'
  /** Types on either side; undefined where it is not. */
  readonly backup: string | undefined
  readonly target: string | undefined
}

/** What tools for migrations write: rows of another version would say that migrations ran which did not. */
const MIGRATION_TABLES = new Set([
  '_prisma_migrations',
  '__drizzle_migrations',
  'knex_migrations',
  'knex_migrations_lock',
  'kysely_migration',
  'kysely_migration_lock',
  'django_migrations',
  'alembic_version',
  'schema_migrations',
  'ar_internal_metadata',
  'd1_migrations',
  'mikro_orm_migrations',
  'strapi_migrations',
  'strapi_migrations_internal',
])

/** Throws `config-invalid` for rules that name nothing, and for tables whose rows can't be told apart. */
export function planMerge(
  rules: MergeRules,
  target: readonly TableDescription[],
  backup: readonly TableDescription[],
): MergePlan {
  const resolved = new ResolvedRules(rules, target)
  const left: LeftTable[] = []
  const pairs: Pair[] = []
  const [targets, backups] = [byName(target), byName(backup)]
  for (const table of target) {
    const other = backups.get(table.name)
    const why = reasonToLeave(table, other, resolved.of(table.name))
    if (why !== undefined) left.push({ table: table.name, why })
    else if (other) pairs.push({ target: table, backup: other, rule: resolved.of(table.name) })
  }
  for (const table of backup) {
    if (!targets.has(table.name)) left.push({ table: table.name, why: 'only-in-backup' })
  }
  const keyed = requireKeys(pairs)
  const pairsByName = new Map(keyed.map(each => [each.target.name, each]))
  const drafts = keyed.map(each => ({ ...each, links: linksOf(each, pairsByName, resolved, targets) }))
  const order = groupByReference(
    drafts.map(({ target: { name, partReferences = [] }, links }) => ({
      name,
      parents: [...links.map(link => link.parent), ...partReferences],
    })),
  )
  const draftsByName = new Map(drafts.map(draft => [draft.target.name, draft]))
  const followed = drafts.flatMap(draft => draft.links.filter(link => link.followed))
  const linksTo = Map.groupBy(followed, link => link.parent)
  const groups = order.map(names =>
    names.map(name => finish(draftOf(draftsByName, name), linksTo.get(name) ?? [], new Set(names))),
  )
  return { groups, left, differences: pairs.flatMap(differencesOf), triggers: rules.triggers }
}

interface Pair {
  readonly target: TableDescription
  readonly backup: TableDescription
  readonly rule: TableRules
}

interface Keyed extends Pair {
  readonly key: readonly string[]
  readonly keyFrom: PlannedTable['keyFrom']
}

interface Draft extends Keyed {
  readonly links: readonly DraftLink[]
}

type DraftLink = ForeignKey & Pick<Link, 'followed' | 'byValue'>

function reasonToLeave(
  table: TableDescription,
  other: TableDescription | undefined,
  rule: TableRules,
): LeftTable['why'] | undefined {
  if (rule.skip === true) return 'rule'
  if (!other) return 'only-in-target'
  return MIGRATION_TABLES.has(bareName(table.name)) && rule.skip !== false ? 'migrations' : undefined
}

function bareName(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function requireKeys(pairs: readonly Pair[]): Keyed[] {
  const keyed = pairs.map(pair => ({ pair, key: chooseKey(pair) }))
  const without = keyed.filter(each => each.key === undefined).map(each => each.pair.target.name)
  if (without.length > 0) {
    const [first = ''] = without
    throw new AppError(
      'config-invalid',
      `cannot merge ${without.length === 1 ? 'table' : 'tables'} ${without.join(', ')}: nothing says which rows are the same`,
      {
        hint: `Name the columns that do in lifeboat.yaml, restore.merge.tables: "${first}: { key: [a, b] }", or leave it out: "${first}: { skip: true }".`,
        context: { tables: without },
      },
    )
  }
  return keyed.flatMap(({ pair, key }) => (key === undefined ? [] : [{ ...pair, ...key }]))
}

/** The rule's, else the primary key, else the only unique key. */
function chooseKey(pair: Pair): Pick<Keyed, 'key' | 'keyFrom'> | undefined {
  const { rule, target, backup } = pair
  if (rule.key !== undefined) {
    const missing = rule.key.find(column => !findColumn(backup, column))
    if (missing !== undefined) {
      throw new AppError(
        'config-invalid',
        `the backup's table ${target.name} has no column ${missing}, part of its key`,
        {
          hint: `Choose another key in restore.merge.tables.${target.name}, of columns that both sides have.`,
        },
      )
    }
    requireComparable(target, rule.key)
    return { key: rule.key, keyFrom: 'rule' }
  }
  const usable = target.uniqueKeys.filter(each => each.columns.every(column => isCarried(pair, column)))
  const primary = usable.find(each => each.primary)
  if (primary) return { key: primary.columns, keyFrom: 'primary key' }
  const [only] = usable
  return only && usable.length === 1 ? { key: only.columns, keyFrom: 'unique key' } : undefined
}

function requireComparable(table: TableDescription, key: readonly string[]): void {
  const column = key.map(name => findColumn(table, name)).find(each => each && (!each.comparable || each.generated))
  if (!column) return
  const why = column.generated ? 'computed by the database' : `of type ${column.type}, which cannot be compared`
  throw new AppError('config-invalid', `merge rules: column ${column.name} of table ${table.name} is ${why}`, {
    hint: `Choose another key in restore.merge.tables.${table.name}.`,
  })
}

function isCarried({ target, backup }: Pair, name: string): boolean {
  const column = findColumn(target, name)
  return column !== undefined && !column.generated && findColumn(backup, name) !== undefined
}

function linksOf(
  from: Keyed,
  all: ReadonlyMap<string, Keyed>,
  rules: ResolvedRules,
  target: ReadonlyMap<string, TableDescription>,
): DraftLink[] {
  const ruled = rules.references
    .filter(reference => reference.from.table === from.target)
    .map(({ from: { column }, to }) => ({
      name: `${from.target.name}.${column}`,
      columns: [column],
      parent: to.table.name,
      parentColumns: [to.column],
    }))
  const declared = from.target.foreignKeys.filter(key => leadsSomewhere(key, target))
  const more = ruled.filter(rule => declared.every(key => !sameReference(key, rule)))
  return [...declared, ...more]
    .filter(key => key.columns.every(column => isCarried(from, column)))
    .map(key => {
      const parent = all.get(key.parent)
      const followed = parent !== undefined && key.parentColumns.every(column => isCarried(parent, column))
      return { ...key, followed, byValue: !followed || sameColumns(parent.key, key.parentColumns) }
    })
}

/** SQLite lets a schema declare references to tables and columns that do not exist. */
function leadsSomewhere(key: ForeignKey, tables: ReadonlyMap<string, TableDescription>): boolean {
  const parent = tables.get(key.parent)
  return parent !== undefined && key.parentColumns.every(column => findColumn(parent, column) !== undefined)
}

function sameReference(a: ForeignKey, b: ForeignKey): boolean {
  return a.parent === b.parent && sameColumns(a.columns, b.columns) && sameColumns(a.parentColumns, b.parentColumns)
}

function byName(tables: readonly TableDescription[]): ReadonlyMap<string, TableDescription> {
  return new Map(tables.map(table => [table.name, table]))
}

function draftOf(drafts: ReadonlyMap<string, Draft>, name: string): Draft {
  const found = drafts.get(name)
  if (!found) throw new Error(`no table ${name} in the plan`)
  return found
}

function finish(draft: Draft, linksTo: readonly DraftLink[], group: ReadonlySet<string>): PlannedTable {
  const { target, backup, key, keyFrom, rule } = draft
  const columns = target.columns.filter(column => isCarried(draft, column.name))
  const links = draft.links.map(link => ({
    ...link,
    inKey: link.columns.some(column => key.includes(column)),
    within: link.followed && group.has(link.parent),
  }))
  const numbered = numberedColumn(draft)
  const referenced = distinct([
    ...linksTo.map(link => link.parentColumns),
    ...(numbered === undefined ? [] : [[numbered.name]]),
  ])
  const carried = target.uniqueKeys.filter(each => each.columns.every(column => isCarried(draft, column)))
  const others = carried
    .map(each => each.columns)
    .filter(each => !sameColumns(each, key) && !(numbered !== undefined && sameColumns(each, [numbered.name])))
  const primary = carried.find(each => each.primary)?.columns ?? []
  return {
    name: target.name,
    target,
    backup,
    key,
    keyFrom,
    keyGuaranteed: isGuaranteed(target, key),
    columns,
    onConflict: rule.onConflict ?? 'keep',
    newerBy: requireNewerBy(draft),
    links,
    referenced,
    others,
    numbered,
    kept: [...new Set([...key, ...primary, ...referenced.flat()])],
  }
}

function requireNewerBy({ rule, target, backup }: Pair): string | undefined {
  const { newerBy } = rule
  if (rule.onConflict !== 'newer' || newerBy === undefined) return undefined
  if (findColumn(backup, newerBy)) return newerBy
  throw new AppError(
    'config-invalid',
    `the backup's table ${target.name} has no column ${newerBy}, which says what is newer`,
    {
      hint: `Choose another newerBy, or onConflict: keep or backup, in restore.merge.tables.${target.name}.`,
    },
  )
}

/** NULLs are equal in a key of ours, and differ in a unique key of the database's. */
function isGuaranteed(table: TableDescription, key: readonly string[]): boolean {
  return (
    table.uniqueKeys.some(each => sameColumns(each.columns, key)) &&
    key.every(name => findColumn(table, name)?.nullable === false)
  )
}

/** Not other unique numbers: those of invoices are unique too, and must not change. */
function numberedColumn(draft: Draft): ColumnDescription | undefined {
  const [name = '', ...more] = draft.target.uniqueKeys.find(each => each.primary)?.columns ?? []
  const column = findColumn(draft.target, name)
  if (!column || more.length > 0 || column.numberedUpTo === undefined || !isCarried(draft, name)) return undefined
  const meansMore = draft.key.includes(name) || draft.links.some(link => link.columns.includes(name))
  return meansMore ? undefined : column
}

function distinct(sets: ReadonlyArray<readonly string[]>): Array<readonly string[]> {
  return sets.filter((set, i) => sets.findIndex(other => sameColumns(other, set)) === i)
}

function differencesOf({ target, backup }: Pair): SchemaDifference[] {
  const names = [...new Set([...target.columns, ...backup.columns].map(column => column.name))]
  return names.flatMap((column): SchemaDifference[] => {
    const [here, there] = [findColumn(target, column), findColumn(backup, column)]
    const types = { table: target.name, column, backup: there?.type, target: here?.type }
    if (!here) return [{ ...types, kind: 'only-in-backup' }]
    if (!there) return [{ ...types, kind: 'only-in-target' }]
    return here.type === there.type ? [] : [{ ...types, kind: 'type' }]
  })
}
