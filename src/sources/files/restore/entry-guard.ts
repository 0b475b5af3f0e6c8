import { compareNames, encodeName } from '../../../base/bytes.ts'
import type { SnapshotEntry } from '../../source.ts'

/** Linux's limit of one name. */
const NAME_LIMIT_BYTES = 255

/**
 * Follows a stream of snapshot entries and turns away those that no honest capture gives: names that lead elsewhere,
 * entries outside of their directory, and the same name twice (a symlink, then a file "below" it). With the last rule
 * nothing that was restored is ever replaced by a later entry.
 */
export class EntryGuard {
  readonly #open: Array<{ readonly path: string; last: string | undefined }> = [{ path: '', last: undefined }]

  /** Directories that the stream has left with this entry, the deepest first. */
  leave(entry: SnapshotEntry): string[] {
    const parent = parentOf(entry.path)
    const left: string[] = []
    while (this.#open.length > 1 && !isWithin(parent, this.#open.at(-1)?.path ?? ''))
      left.push(this.#open.pop()?.path ?? '')
    return left
  }

  /** Why the entry must not be restored; undefined when it may. */
  reject(entry: SnapshotEntry): string | undefined {
    const folder = this.#open.at(-1)
    const name = entry.path.slice(entry.path.lastIndexOf('/') + 1)
    if (folder === undefined || folder.path !== parentOf(entry.path)) return 'it is in no directory of the snapshot'
    if (entry.node.name !== name) return 'its name holds a "/"'
    if (name === '' || name === '.' || name === '..') return 'its name would lead out of its folder'
    if (name.includes('\0')) return 'its name holds a zero byte'
    if (encodeName(name).length > NAME_LIMIT_BYTES) return 'its name is longer than 255 bytes'
    if (folder.last !== undefined && compareNames(folder.last, name) >= 0) return 'its name comes twice or out of order'
    folder.last = name
    return undefined
  }

  enter(path: string): void {
    this.#open.push({ path, last: undefined })
  }
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '' : path.slice(0, slash)
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}
