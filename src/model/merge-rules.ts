import { AppError } from '../base/errors.ts'
import { suggest } from '../base/suggest.ts'
import { findColumn, type TableDescription } from './table-description.ts'

export const CONFLICT_RULES = ['keep', 'backup', 'newer'] as const
/** Which side a row that both have takes its values from; `newer`: the one whose `newerBy` column is greater. */
export type ConflictRule = (typeof CONFLICT_RULES)[number]

export interface MergeRules {
  /** By name of a table, its schema optional where it is the only one of that name. */
  readonly tables: Readonly<Record<string, TableRules>>
  /** Relations that the schema does not declare: `account.user_id` -> `user.id`. */
  readonly references: Readonly<Record<string, string>>
  /** Let the application's triggers fire. */
  readonly triggers: boolean
}

export interface TableRules {
  /** The columns that say that two rows are the same. */
  readonly key?: readonly string[] | undefined
  readonly onConflict?: ConflictRule | undefined
  readonly newerBy?: string | undefined
  /** Leave the table as it is. */
  readonly skip?: boolean | undefined
}

export const NO_RULES: MergeRules = { tables: {}, references: {}, triggers: false }

/** Rules, each with the table that it is of. Throws `config-invalid` for names that are nowhere. */
export class ResolvedRules {
  readonly triggers: boolean
  readonly references: ReadonlyArray<{ readonly from: ColumnName; readonly to: ColumnName }>
  readonly #tables: ReadonlyMap<string, TableRules>

  constructor(rules: MergeRules, tables: readonly TableDescription[]) {
    const resolved = new Map<string, TableRules>()
    for (const [name, rule] of Object.entries(rules.tables)) {
      const table = resolveTable(name, tables)
      requireColumns(table, [...(rule.key ?? []), ...(rule.newerBy === undefined ? [] : [rule.newerBy])])
      requireNewerBy(name, rule)
      resolved.set(table.name, rule)
    }
    this.#tables = resolved
    this.triggers = rules.triggers
    this.references = Object.entries(rules.references).map(([from, to]) => ({
      from: resolveColumn(from, tables),
      to: resolveColumn(to, tables),
    }))
  }

  of(table: string): TableRules {
    return this.#tables.get(table) ?? {}
  }
}

export interface ColumnName {
  readonly table: TableDescription
  readonly column: string
}

function requireNewerBy(name: string, rule: TableRules): void {
  if (rule.onConflict === 'newer' && rule.newerBy === undefined) {
    throw invalid(`merge rule of table ${name}: onConflict: newer does not say by which column`, {
      hint: `Add "newerBy: <column>" to restore.merge.tables.${name} in lifeboat.yaml, a column that grows with every change.`,
    })
  }
}

function resolveTable(name: string, tables: readonly TableDescription[]): TableDescription {
  const exact = tables.find(table => table.name === name)
  if (exact) return exact
  const bare = tables.filter(table => table.name.endsWith(`.${name}`) || `public.${table.name}` === name)
  const [only] = bare
  if (only && bare.length === 1) return only
  if (bare.length > 1) {
    throw invalid(`merge rules: there are several tables ${name}`, {
      hint: `Name one of them with its schema: ${bare.map(table => table.name).join(', ')}.`,
    })
  }
  const names = tables.map(table => table.name)
  const near = suggest(name, names)
  throw invalid(`merge rules: there is no table ${name} in the database`, {
    hint: near === undefined ? `It has: ${names.join(', ')}.` : `Did you mean ${near}?`,
  })
}

function requireColumns(table: TableDescription, columns: readonly string[]): void {
  for (const column of columns) {
    if (findColumn(table, column)) continue
    const names = table.columns.map(each => each.name)
    const near = suggest(column, names)
    throw invalid(`merge rules: table ${table.name} has no column ${column}`, {
      hint: near === undefined ? `It has: ${names.join(', ')}.` : `Did you mean ${near}?`,
    })
  }
}

function resolveColumn(text: string, tables: readonly TableDescription[]): ColumnName {
  const dot = text.lastIndexOf('.')
  if (dot <= 0) {
    throw invalid(`merge rules: ${text} is no column of a table`, {
      hint: 'Write references like this: "account.user_id: user.id".',
    })
  }
  const table = resolveTable(text.slice(0, dot), tables)
  const column = text.slice(dot + 1)
  requireColumns(table, [column])
  return { table, column }
}

function invalid(message: string, init: { readonly hint: string }): AppError {
  return new AppError('config-invalid', message, init)
}
