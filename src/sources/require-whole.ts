import { AppError } from '../base/errors.ts'
import type { RestoreRequest } from './source.ts'

/** What a selection may say without leaving anything of a database out. */
const HARMLESS: ReadonlySet<string> = new Set(['databases'])

/**
 * A mask is for a whole database that is made anew: `unsupported` when the request, or the snapshot, is of a part. Each
 * way to restore a part would write rows past the mask, so a selection that is not known here is one too.
 */
export function requireWhole({ mask, selection = {}, snapshot }: RestoreRequest): void {
  if (mask === undefined) return
  const chosen = Object.entries(selection).filter(([key, value]) => !HARMLESS.has(key) && !isNothing(value))
  if (chosen.length === 0 && snapshot.manifest?.type !== 'data') return
  throw new AppError('unsupported', 'only a whole database can be masked, not a part of it', {
    hint: 'Restore all of it with the mask to a new place, and take the part from there.',
    context: { selected: chosen.map(([key]) => key) },
  })
}

function isNothing(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.length === 0)
}
