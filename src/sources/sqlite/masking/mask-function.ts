import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { createMasker, type Masker } from '../../../model/masking/maskers.ts'
import type { PlannedColumn } from '../../../model/masking/plan.ts'
import { quoteName } from '../schema-text.ts'

const FUNCTION = 'lifeboat_mask'

type Value = Exclude<SQLInputValue, NodeJS.ArrayBufferView> | Uint8Array

/** The masks of a plan as a function of SQL, which counts what it replaces. */
export class MaskFunction {
  readonly #plan: readonly PlannedColumn[]
  readonly #maskers: ReadonlyArray<Masker | undefined>
  /** Values replaced, one count for each column of the plan. */
  readonly counts: number[]

  constructor(plan: readonly PlannedColumn[], seed: string) {
    this.#plan = plan
    this.#maskers = plan.map(({ derivation }) => derivation && createMasker(seed, derivation))
    this.counts = plan.map(() => 0)
  }

  register(db: DatabaseSync): void {
    const apply = (at: Value, value: Value, given?: Value): Value => this.#mask(Number(at), value, given ?? null)
    db.function(FUNCTION, { useBigIntArguments: true, varargs: true }, apply as (...values: SQLInputValue[]) => Value)
  }

  /** What a SELECT says to get a column: the column, or its mask. */
  expression(table: string, column: string): string {
    const at = this.#plan.findIndex(each => each.table === table && each.column === column)
    const rule = this.#plan[at]?.rule
    const name = quoteName(column)
    if (rule === undefined || rule.kind === 'keep') return name
    // A column of this name wins over one that the expression might mean elsewhere.
    return rule.kind === 'sql' ? `${FUNCTION}(${at}, ${name}, (${rule.expression}\n))` : `${FUNCTION}(${at}, ${name})`
  }

  #mask(at: number, value: Value, given: Value): Value {
    const { rule, derivation } = this.#plan[at] ?? {}
    if (value !== null) this.counts[at] = (this.counts[at] ?? 0) + 1
    if (rule?.kind === 'sql') return given
    if (value === null || rule?.kind === 'null') return null
    if (rule?.kind === 'fixed') return typeof rule.value === 'boolean' ? Number(rule.value) : rule.value
    const masker = this.#maskers[at]
    if (!masker || !derivation) throw new Error('no rule')
    return derive(masker, derivation.kind, value)
  }
}

const AS_TEXT: ReadonlySet<string> = new Set(['email', 'name', 'text'])

function derive(masker: Masker, kind: string, value: Exclude<Value, null>): Value {
  if (typeof value === 'string') return masker.text(value)
  if (value instanceof Uint8Array) return masker.bytes(value)
  if (AS_TEXT.has(kind)) return masker.text(String(value))
  return typeof value === 'bigint' ? masker.integer(value) : Number(masker.decimal(String(value)))
}
