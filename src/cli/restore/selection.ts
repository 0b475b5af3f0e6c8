import type { DatabaseSelection } from '../../sources/source.ts'
import type { Call } from '../command.ts'

/** Which part of a recovery point is wanted. */
export function selectionOf({ values }: Call): DatabaseSelection {
  const [databases, tables, schemas] = [values.list('database'), values.list('table'), values.list('schema')]
  const part = values.flag('schemaOnly') ? 'schema' : values.flag('dataOnly') ? 'data' : undefined
  return { databases, tables, schemas, part, roles: values.flag('roles') }
}

/** A part that came back proves nothing of the rest. */
export function isWhole(call: Call): boolean {
  const { databases = [], tables = [], schemas = [], part } = selectionOf(call)
  const named = databases.length + tables.length + schemas.length + call.values.list('include').length
  return part === undefined && named === 0
}
