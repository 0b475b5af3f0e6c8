import { AppError } from '../../base/errors.ts'
import type { Choice } from '../../operations/snapshots/choose-snapshot.ts'
import type { Call } from '../command.ts'
import { repoOf, typedWish } from '../selection.ts'
import { typedChoice } from '../snapshot-argument.ts'

export interface TypedDiff {
  readonly before: Choice | 'now'
  readonly after: Choice | 'now'
  readonly path: string | undefined
}

export const NOW = 'now'

/** `BEFORE AFTER [PATH]`, or a source first: `SOURCE [POINT] [POINT|now]`. */
export function typedDiff(call: Call, sources: ReadonlyMap<string, unknown>): TypedDiff {
  const { values } = call
  const [first, second, third] = [values.required('before'), values.text('after'), values.text('path')]
  const limits = { repository: repoOf(call), host: values.text('host') }
  if (sources.has(first)) {
    const pointOf = (text: string): Choice | 'now' =>
      text === NOW ? NOW : { source: first, wish: typedWish(call, text), ...limits }
    return { before: pointOf(second ?? 'latest'), after: pointOf(third ?? NOW), path: undefined }
  }
  if (second === undefined) {
    throw new AppError('usage', `${first} is no source, and there is nothing to compare it with`, {
      hint: `Name a source, whose newest recovery point is compared with what is live, or two snapshots: lifeboat diff ${first} latest`,
    })
  }
  const pointOf = (text: string): Choice | 'now' =>
    text === NOW ? NOW : { ...typedChoice(call, sources, text), ...limits }
  return { before: pointOf(first), after: pointOf(second), path: third }
}
