import type { DatabaseSelection } from '../../sources/source.ts'
import type { Call } from '../command.ts'

/** Which part of a recovery point is wanted. */
export function selectionOf({ values }: Call): DatabaseSelection {
  const [databases, tables, schemas] = [values.list('database'), values.list('table'), values.list('schema')]
  const part = values.flag('schemaOnly') ? 'schema' : values.flag('dataOnly') ? 'data' : undefined
  return { databases, tables, schemas, part, roles: values.flag('roles') }
}

/** The part in words, or undefined for all: `table product`, `2026/photo.jpg`, `the schema`. */
export function partName(call: Call): string | undefined {
  const { databases = [], tables = [], schemas = [], part } = selectionOf(call)
  const named = [
    ...call.values.list('include'),
    ...listed('database', databases),
    ...listed('schema', schemas),
    ...listed('table', tables),
  ]
  const rows = part === undefined ? [] : [part === 'schema' ? 'the schema' : 'the rows']
  const all = [...rows, ...named]
  return all.length === 0 ? undefined : all.join(', ')
}

function listed(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${what}${names.length === 1 ? '' : 's'} ${names.join(', ')}`]
}

/** A part that came back proves nothing of the rest. */
export function isWhole(call: Call): boolean {
  const { databases = [], tables = [], schemas = [], part } = selectionOf(call)
  const named = databases.length + tables.length + schemas.length + call.values.list('include').length
  return part === undefined && named === 0
}
