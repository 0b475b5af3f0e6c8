import { AppError } from '../../base/errors.ts'
import { maskInvalid, type PlannedColumn } from './plan.ts'
import { describeRule } from './rules.ts'

/** A constraint that masked data does not meet, as the engine told it. */
export interface BrokenConstraint {
  /** Key of the table. */
  readonly table: string
  /** The columns that it is about; empty where that is not known. */
  readonly columns: readonly string[]
  /** `unique constraint users_email_key`, `NOT NULL`, `the length of varchar(10)`. */
  readonly constraint: string
}

/** `config-invalid` that names the rules to blame. `said` is the engine's own word, without values. */
export function brokenByMask(
  file: string,
  plan: readonly PlannedColumn[],
  broken: BrokenConstraint,
  said: string,
): AppError {
  const masked = plan.filter(each => each.table === broken.table && each.rule.kind !== 'keep')
  const named = masked.filter(each => broken.columns.includes(each.column))
  const blamed = named.length > 0 || broken.columns.length > 0 ? named : masked
  if (blamed.length === 0) {
    return new AppError('target-invalid', `the data of table ${broken.table} breaks ${broken.constraint}`, {
      hint: 'No rule of the mask touches it: it is so in the snapshot. Restore it without a mask to look at it.',
      context: { said },
    })
  }
  return maskInvalid(
    file,
    blamed.map(({ at, table, column, rule }) => ({
      at,
      message: `masking ${table}.${column} with ${describeRule(rule)} breaks ${broken.constraint} of table ${table}`,
    })),
  )
}
