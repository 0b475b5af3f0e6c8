import { SHORT_ID_DIGITS } from '../model/recovery-point.ts'
import type { Snapshot } from '../repository/index.ts'
import { id, repositoryName, shortId, time } from './fields.ts'

/** Which recovery point is meant, and where it lies. */
export const point = { repository: repositoryName, snapshot: id, shortId, time }

export function pointJson({
  name,
  snapshot,
}: {
  readonly name: string
  readonly snapshot: Pick<Snapshot, 'id' | 'time'>
}) {
  return { repository: name, snapshot: snapshot.id, shortId: shortIdOf(snapshot.id), time: snapshot.time }
}

export const shortIdOf = (snapshot: string): string => snapshot.slice(0, SHORT_ID_DIGITS)
