import { typedForms } from '../base/bytes.ts'
import type { Finding } from './finding.ts'

/** One thing that a capture could not take, or not as it was. */
export interface NotCaptured {
  /** Relative to the source's folder; of a server, a database or what is in it. '' is all of it. */
  readonly path: string
  /** `permission denied`, lower case. */
  readonly reason: string
  /** It was there, and neither it nor what is below it is in the snapshot. Else it is in it, but not as of one moment. */
  readonly absent: boolean
}

/** What a snapshot lacks of what it is of. */
export interface Incomplete {
  /** Exact, also where the list is cut off. */
  readonly count: number
  readonly entries: readonly NotCaptured[]
}

/** More of them in one manifest would tell a person nothing, and a million must fill no memory. */
export const LISTED_NOT_CAPTURED = 10_000

/** What the findings of a capture say that gives no list of its own. */
export function incompleteOf(findings: readonly Finding[]): Incomplete {
  const errors = findings.filter(({ severity }) => severity === 'error')
  const told = errors.length > 0 ? errors : findings.filter(({ severity }) => severity === 'warning')
  const entries = told.map(({ subject, message }) => ({ path: subject, reason: message, absent: false }))
  return entries.length > 0
    ? { count: entries.length, entries: entries.slice(0, LISTED_NOT_CAPTURED) }
    : { count: 1, entries: [{ path: '', reason: 'the capture did not say why', absent: false }] }
}

/** Which part of a snapshot is asked for. */
export interface AskedPart {
  /** Paths; empty: all. */
  readonly include?: readonly string[] | undefined
  readonly databases?: readonly string[] | undefined
}

/**
 * What of it touches the part that is asked for; undefined: nothing does. Where the list is cut off, what it does not
 * name may be anywhere.
 */
export function incompleteWithin(incomplete: Incomplete | undefined, asked: AskedPart): Incomplete | undefined {
  const wanted = [...(asked.include ?? []).map(plainPath), ...(asked.databases ?? [])]
  if (incomplete === undefined || wanted.length === 0 || wanted.includes('')) return incomplete
  const unlisted = incomplete.count - incomplete.entries.length
  const entries = incomplete.entries.filter(({ path }) => touches(path, wanted))
  return entries.length + unlisted === 0 ? undefined : { count: entries.length + unlisted, entries }
}

/** `/a/b/`, `./a/b` and `a/b` are the same. */
export function plainPath(path: string): string {
  return path
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')
}

/** Is a path, as it is stored, one of these that a person wrote, or above or below one of them? */
export function touches(path: string, wanted: readonly string[]): boolean {
  return typedForms(path).some(form => wanted.some(each => overlap(form, each)))
}

function overlap(a: string, b: string): boolean {
  return a === '' || a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`) || a.startsWith(`${b}.`)
}

/** How many are named in one sentence. */
const NAMED = 5

/** `secret.key (permission denied), private (permission denied) and 3 more`. */
export function nameNotCaptured({ count, entries }: Incomplete): string {
  const named = entries.slice(0, NAMED).map(({ path, reason }) => `${path === '' ? 'all of it' : path} (${reason})`)
  const rest = count - named.length
  if (named.length === 0) return rest === 1 ? 'one that is not listed' : `${rest} that are not listed`
  return rest > 0 ? `${named.join(', ')} and ${rest} more` : named.join(', ')
}

/** Said wherever the snapshot is used. */
export function incompleteFinding(snapshot: string, incomplete: Incomplete): Finding {
  const { count } = incomplete
  const what = count === 1 ? '1 entry was not captured as it was' : `${count} entries were not captured as they were`
  return {
    severity: 'warning',
    code: 'snapshot-incomplete',
    subject: `snapshot ${snapshot.slice(0, 8)}`,
    message: `it is incomplete: ${what}: ${nameNotCaptured(incomplete)}`,
    hint: 'For a complete one, make them readable and back up again. A restore leaves what it finds of them at its target.',
  }
}
