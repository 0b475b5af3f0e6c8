import type { SqlAssertion } from '../../model/assertion.ts'
import type { CopyAnswer, CopyValue, RestoredCopy } from '../../sources/source.ts'
import type { Asserted } from './asserted.ts'

export async function assertSql(assertion: SqlAssertion, copy: RestoredCopy): Promise<Asserted> {
  const rules = rulesOf(assertion)
  const expected = rules.map(rule => rule.expected).join(', ')
  if (copy.query === undefined) return { passed: false, expected, found: 'nothing that answers to SQL' }
  const { sql, database, timeoutMs } = assertion
  const value = oneValue(await copy.query({ sql, database, limit: 1, timeoutMs }))
  if (value !== null && typeof value === 'object') return { passed: false, expected, found: value.problem }
  return { passed: rules.every(rule => rule.holds(value)), expected, found: value ?? 'null' }
}

/** As text, or why there is none. */
function oneValue(answer: CopyAnswer): string | null | { readonly problem: string } {
  if ('problem' in answer) return answer
  const { columns, rows, more } = answer
  if (columns.length !== 1) return { problem: `${columns.length} columns in place of one value` }
  const [first] = rows
  if (first === undefined) return { problem: 'no row' }
  if (more) return { problem: 'more than one row in place of one value' }
  return textOf(first[0])
}

function textOf(value: CopyValue | undefined): string | null {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)
}

interface Rule {
  readonly expected: string
  holds(value: string | null): boolean
}

function rulesOf({ equals, atLeast, atMost, matches }: SqlAssertion): Rule[] {
  const rules: Rule[] = []
  if (equals !== undefined) rules.push({ expected: String(equals), holds: value => isEqual(value, equals) })
  if (atLeast !== undefined) {
    rules.push({ expected: `at least ${atLeast}`, holds: value => holdsOf(value, number => number >= atLeast) })
  }
  if (atMost !== undefined) {
    rules.push({ expected: `at most ${atMost}`, holds: value => holdsOf(value, number => number <= atMost) })
  }
  if (matches !== undefined) {
    rules.push({
      expected: `to match ${matches}`,
      holds: value => value !== null && new RegExp(matches).test(value),
    })
  }
  return rules
}

/** By value, whatever the engine's way to write it: `50` is `50.0`, true is `1` in SQLite. */
function isEqual(value: string | null, equals: string | number | boolean | null): boolean {
  if (value === null || equals === null) return value === equals
  if (typeof equals === 'boolean') return (equals ? ['true', '1'] : ['false', '0']).includes(value)
  if (typeof equals === 'number') return holdsOf(value, number => number === equals)
  return value === equals
}

function holdsOf(value: string | null, holds: (number: number) => boolean): boolean {
  // Number('') is 0, and an empty text is no figure.
  if (value === null || value.trim() === '') return false
  const number = Number(value)
  return !Number.isNaN(number) && holds(number)
}
