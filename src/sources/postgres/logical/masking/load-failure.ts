import type { AppError } from '../../../../base/errors.ts'
import { brokenByMask } from '../../../../model/masking/broken.ts'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'
import type { Mask } from '../../../../model/masking/rules.ts'
import { constraintKey, type MaskCatalog } from './mask-catalog.ts'

/** What psql says of an error under `VERBOSITY=verbose`. */
interface Told {
  readonly state: string
  readonly message: string
  readonly table: string | undefined
  readonly column: string | undefined
  readonly constraint: string | undefined
}

/**
 * An error of the server while masked rows came in, or their indexes and keys were made. Undefined where it is not about
 * the data. Details are left out: they quote rows.
 */
export function loadFailure(
  stderr: string,
  mask: Mask,
  plan: readonly PlannedColumn[],
  catalog: MaskCatalog,
): AppError | undefined {
  const told = parseTold(stderr, plan, catalog)
  // Classes 22, data exception, and 23, integrity constraint violation.
  if (told?.table === undefined || !/^2[23]/.test(told.state)) return undefined
  const { table, constraint, column, message } = told
  const named = constraint === undefined ? undefined : catalog.constraints.get(constraintKey(table, constraint))
  const columns = named ?? (column === undefined ? [] : [column])
  return brokenByMask(mask.file, plan, { table, columns, constraint: nameOf(told, catalog) }, message)
}

function nameOf({ state, constraint, column, table }: Told, catalog: MaskCatalog): string {
  const kinds: Readonly<Record<string, string>> = {
    '23505': 'unique constraint',
    '23514': 'check constraint',
    '23503': 'foreign key',
    '23P01': 'exclusion constraint',
  }
  if (state === '23502') return 'the NOT NULL constraint'
  if (constraint !== undefined) return `${kinds[state] ?? 'constraint'} ${constraint}`
  const found = catalog.tables.find(each => each.key === table)?.columns.find(each => each.name === column)
  return `the type ${found?.typeName ?? 'of a column'}`
}

function parseTold(stderr: string, plan: readonly PlannedColumn[], catalog: MaskCatalog): Told | undefined {
  const [, state, message] = /(?:ERROR|FATAL):\s+([0-9A-Z]{5}): (.*)/.exec(stderr) ?? []
  if (state === undefined || message === undefined) return undefined
  const field = (name: string): string | undefined => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(stderr)?.[1]
  const [, copied, copiedColumn] = /^CONTEXT:\s+COPY ([^,\n]+), line \d+(?:, column ([^:\n]+))?/m.exec(stderr) ?? []
  const named = field('TABLE NAME')
  const table = named === undefined ? tableNamed(copied, plan, catalog) : `${field('SCHEMA NAME') ?? 'public'}.${named}`
  return { state, message, table, column: field('COLUMN NAME') ?? copiedColumn, constraint: field('CONSTRAINT NAME') }
}

/** The context of COPY names a table without its schema. */
function tableNamed(
  name: string | undefined,
  plan: readonly PlannedColumn[],
  catalog: MaskCatalog,
): string | undefined {
  const fitting = catalog.tables.filter(table => table.name === name)
  return (fitting.find(table => plan.some(each => each.table === table.key)) ?? fitting[0])?.key
}
