import { basename } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { fitProblem } from './fit.ts'
import { followForeignKeys } from './follow.ts'
import type { Extent } from './invented.ts'
import type { MaskableTable, PlanProblem, RuledColumn } from './maskable.ts'
import type { Derivation } from './maskers.ts'
import { resolveRules } from './resolve.ts'
import { domainOf, isDerived, type Mask, type MaskRule } from './rules.ts'

/** One column and what becomes of it. Plain data: it crosses to other processes. */
export interface PlannedColumn {
  readonly table: string
  readonly column: string
  readonly rule: MaskRule
  /** Set for kinds that derive the new value from the old. */
  readonly derivation: Derivation | undefined
  /** Where the rule stands: `mask.yaml:4:12`. */
  readonly at: string
  /** It has the rule of the column that it refers to: `users.email`. */
  readonly follows: string | undefined
}

/**
 * Brings a mask and a database together: every rule has its column, and every column that refers to a masked one is
 * masked like it. Throws `config-invalid` with all that does not fit, before any data is touched.
 */
export function planMask(
  mask: Mask,
  tables: readonly MaskableTable[],
  options: { foldCase: boolean },
): PlannedColumn[] {
  const problems: PlanProblem[] = []
  const named = resolveRules(mask.tables, tables, options.foldCase, problems)
  const ruled = followForeignKeys(named, tables, problems)
  for (const each of ruled) {
    const message = fitProblem(each)
    if (message !== undefined) problems.push({ at: each.at, message })
  }
  if (problems.length > 0) throw maskInvalid(mask.file, problems)
  const extents = extentsOf(ruled)
  return ruled.map(({ table, column, rule, at, follows }) => ({
    table: table.key,
    column: column.name,
    rule,
    derivation: isDerived(rule) ? derivationOf(rule, extents) : undefined,
    at,
    follows,
  }))
}

export function maskInvalid(file: string, problems: readonly PlanProblem[]): AppError {
  return new AppError('config-invalid', problems.map(({ at, message }) => `${at}: ${message}`).join('\n'), {
    hint: `Correct ${file}; nothing was put in place of the target. docs/guide/test-copies.md explains every rule.`,
    context: { file: basename(file), problems },
  })
}

type DerivedRule = Parameters<typeof domainOf>[0]

/** All columns of a domain share what they must and may say: else equal values would not mask equally. */
function extentsOf(ruled: readonly RuledColumn[]): Map<string, Extent> {
  const extents = new Map<string, Extent>()
  for (const { table, column, rule } of ruled) {
    if (!isDerived(rule)) continue
    const id = domainOf(rule)
    const before = extents.get(id)
    const unique = table.unique.some(each => each.columns.includes(column.name))
    const limits = [before?.maxChars, column.maxChars].filter(limit => limit !== undefined)
    extents.set(id, {
      unique: unique || before?.unique === true,
      maxChars: limits.length === 0 ? undefined : Math.min(...limits),
      caseInsensitive: column.caseInsensitive || before?.caseInsensitive === true,
    })
  }
  return extents
}

function derivationOf(rule: DerivedRule, extents: ReadonlyMap<string, Extent>): Derivation {
  const domain = domainOf(rule)
  const extent = extents.get(domain) ?? { unique: false, caseInsensitive: false }
  return { kind: rule.kind, domain, extent }
}
