import { AppError } from '../../base/errors.ts'
import { parseSnapshotWish, readSnapshotWish } from './choose-snapshot.ts'
import type { SnapshotWish } from './find-snapshot.ts'

/** Where a recovery point is read from, as `--from` says it: `REPOSITORY[:POINT]`. */
export interface Origin {
  /** A name, or a URL or path as it was typed. */
  readonly repository: string
  readonly point: string | undefined
}

/** A URL up to the end of its host and port: a colon in there never begins a point. */
const AUTHORITY = /^[A-Za-z][A-Za-z0-9+.-]*:(?:[^/]*:)?\/\/[^/]*/

/**
 * URLs hold colons, and so do times: the point begins after the first colon behind which all the rest reads as one
 * (`latest`, an id, a time). A path that ends like a point is told from it by a `/` at its end: `/srv/a:beef/`.
 */
export function parseOrigin(text: string, now: Date): Origin {
  const [{ length } = ''] = AUTHORITY.exec(text) ?? []
  for (let at = text.indexOf(':', Math.max(length, 1)); at !== -1; at = text.indexOf(':', at + 1)) {
    const point = text.slice(at + 1)
    if (readSnapshotWish(point, now) !== undefined) return { repository: text.slice(0, at), point }
  }
  return { repository: text, point: undefined }
}

/** The one point that two words name. `usage` where they name two. */
export function samePoint(first: string, second: string, now: Date): SnapshotWish {
  const [one, other] = [parseSnapshotWish(first, now), parseSnapshotWish(second, now)]
  // Of two beginnings of an id, the longer one says more.
  if (one.kind === 'id' && other.kind === 'id') {
    const [short = one, long = other] = [one, other].toSorted((a, b) => a.prefix.length - b.prefix.length)
    if (long.prefix.startsWith(short.prefix)) return long
  }
  if (JSON.stringify(one) === JSON.stringify(other)) return one
  throw new AppError('usage', `"${first}" and "${second}" are two recovery points`, {
    hint: 'Name one: as an argument, or in --from after the repository.',
  })
}
