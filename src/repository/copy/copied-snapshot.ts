import type { Id } from '../../model/node.ts'
import type { Snapshot } from '../contract/snapshot.ts'
import { goJson, parseJson } from '../format/json.ts'

/**
 * The file of a snapshot's copy, as restic's `copy` makes it: without a parent, which is in another repository, and with
 * the id that it had first. All else stays, also what this version does not know, and times to the nanosecond.
 *
 * @see https://github.com/restic/restic/blob/master/cmd/restic/cmd_copy.go
 */
export function formatCopy(json: Uint8Array, id: Id, subject: string): Buffer {
  const { parent: _, ...fields } = parseJson(json, subject) as Readonly<Record<string, unknown>>
  return Buffer.from(goJson({ ...fields, original: fields['original'] ?? id }))
}

/** The one among these that is a copy of a snapshot, or that it is a copy of, by restic's rule. */
export function findCopy(snapshot: Snapshot, among: readonly Snapshot[]): Snapshot | undefined {
  const original = snapshot.original ?? snapshot.id
  return among.find(
    there => (there.id === original || there.original === original) && essenceOf(there) === essenceOf(snapshot),
  )
}

/** Everything but id, parent and original: tags may have been changed since. */
function essenceOf({ time, tree, hostname, username, uid, gid, paths, excludes, tags }: Snapshot): string {
  const own = [time.getTime(), tree, hostname, username, uid ?? 0, gid ?? 0]
  return JSON.stringify([own, paths.toSorted(), excludes ?? [], tags.toSorted()])
}
