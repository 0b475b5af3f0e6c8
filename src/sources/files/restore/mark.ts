import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Marker } from '../../beside/marker.ts'

const HASH = z.string().regex(/^[0-9a-f]{64}$/)

/** What an unfinished restore leaves behind. */
export interface Mark {
  readonly snapshot: string
  /** Files that it has not come to may look like finished ones: nothing of it is to be taken for done. */
  readonly over: boolean
  /** Which parts were asked for, as `partsOf` tells; '' is all. */
  readonly parts: string
}

export const mark = new Marker<Mark>(
  z.object({ snapshot: HASH, over: z.boolean(), parts: z.union([HASH, z.literal('')]) }),
)

export function partsOf(include: readonly string[]): string {
  return include.length === 0
    ? ''
    : createHash('sha256')
        .update(JSON.stringify([...include].sort()))
        .digest('hex')
}

/** The mark while `mine` is at work: some part of what another one left may still be missing when it is done. */
export function markOver(mine: Mark, before: Mark | undefined): Mark {
  if (before === undefined || ends(mine, before)) return mine
  return { snapshot: before.snapshot, over: mine.over || before.over, parts: '' }
}

/** Does the end of `mine` make good what `before` left undone? */
export function ends(mine: Mark, before: Mark): boolean {
  return mine.parts === '' || mine.parts === before.parts
}
