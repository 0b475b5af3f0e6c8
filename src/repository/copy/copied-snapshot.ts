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

/** Which snapshots a repository has, or has copies of, by restic's rule. */
export class KnownCopies {
  readonly #byOriginal = new Map<Id, Set<string>>()

  add(snapshot: Snapshot): void {
    const essence = essenceOf(snapshot)
    for (const id of [snapshot.id, snapshot.original ?? snapshot.id]) {
      const known = this.#byOriginal.get(id)
      if (known) known.add(essence)
      else this.#byOriginal.set(id, new Set([essence]))
    }
  }

  has(snapshot: Snapshot): boolean {
    return this.#byOriginal.get(snapshot.original ?? snapshot.id)?.has(essenceOf(snapshot)) === true
  }
}

/** Everything but id, parent and original: tags may have been changed since. */
function essenceOf({ time, tree, hostname, username, uid, gid, paths, excludes, tags }: Snapshot): string {
  const own = [time.getTime(), tree, hostname, username, uid ?? 0, gid ?? 0]
  return JSON.stringify([own, paths.toSorted(), excludes ?? [], tags.toSorted()])
}
