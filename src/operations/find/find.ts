import picomatch from 'picomatch'
import { typedForms } from '../../base/bytes.ts'
import { throwIfAborted } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id, NodeType, TreeNode } from '../../model/node.ts'
import type { Snapshot } from '../../repository/index.ts'
import { loadUnlessDamaged, unlessDamaged } from '../browse/damaged-tree.ts'
import { type ListedEntry, toListedEntry } from '../browse/listed-entry.ts'
import { resolvePath } from '../browse/resolve-path.ts'
import { joinPath, type TreeLoader } from '../browse/snapshot-tree.ts'

export interface FindRequest {
  readonly repository: TreeLoader
  /** Searched in this order. */
  readonly snapshots: readonly Snapshot[]
  /**
   * Globs: `*.db`, `report-202?.pdf`, `docs/**` . One without '/' is compared with names, one with it with paths (from
   * any folder on, or with a leading '/' from the source's folder). An entry is found that any of them matches.
   */
  readonly patterns: readonly string[]
  readonly ignoreCase: boolean
  readonly types?: readonly NodeType[] | undefined
  /** Only what was modified at or after. */
  readonly oldest?: Date | undefined
  /** Only what was modified at or before. */
  readonly newest?: Date | undefined
  readonly signal: AbortSignal
  /** Told once of each snapshot, and folder in it, that could not be searched. */
  readonly onFinding: (finding: Finding) => void
}

export interface FoundEntry extends ListedEntry {
  /** The snapshot's id. */
  readonly snapshot: Id
}

/**
 * Looks for entries by name or path in snapshots. What is damaged is named, and all else searched: the one wanted may
 * well be whole.
 */
export async function* find(request: FindRequest): AsyncGenerator<FoundEntry> {
  const search = new Search(request)
  for (const snapshot of request.snapshots) {
    for await (const { path, node } of search.entries(snapshot)) {
      yield { snapshot: snapshot.id, ...toListedEntry(path, node) }
    }
  }
}

/** Snapshots share most of their trees; what a tree does not hold is remembered, within bounds. */
const REMEMBERED_TREES = 200_000

class Search {
  readonly #request: FindRequest
  readonly #byName: Matcher
  readonly #byPath: Matcher | undefined
  /** Trees in which, and below which, nothing matches by name. */
  readonly #barren = new Set<Id>()

  constructor(request: FindRequest) {
    this.#request = request
    const { patterns, ignoreCase } = request
    this.#byName = matcher(
      patterns.filter(pattern => !pattern.includes('/')),
      ignoreCase,
    )
    const paths = patterns.filter(pattern => pattern.includes('/')).map(anchor)
    this.#byPath = paths.length === 0 ? undefined : matcher(paths, ignoreCase)
  }

  async *entries(snapshot: Snapshot): AsyncGenerator<{ readonly path: string; readonly node: TreeNode }> {
    const root = await unlessDamaged(this.#request, snapshot, '', () =>
      resolvePath(this.#request.repository, snapshot, ''),
    )
    if (root !== undefined) yield* this.#below(snapshot, root.path, root.node, { found: 0, unread: 0 })
  }

  async *#below(
    snapshot: Snapshot,
    folder: string,
    { subtree }: TreeNode,
    tally: { found: number; unread: number },
  ): AsyncGenerator<{ readonly path: string; readonly node: TreeNode }> {
    if (subtree === undefined || this.#barren.has(subtree)) return
    const before = tally.found + tally.unread
    const nodes = await loadUnlessDamaged(this.#request, snapshot, folder, subtree)
    if (nodes === undefined) tally.unread += 1
    for (const node of nodes ?? []) {
      throwIfAborted(this.#request.signal)
      const path = joinPath(folder, node.name)
      if (this.#matches(path, node)) {
        tally.found += 1
        yield { path, node }
      }
      if (node.type === 'dir') yield* this.#below(snapshot, path, node, tally)
    }
    // A path pattern may match the same tree in another place.
    const isBarren = tally.found + tally.unread === before && this.#byPath === undefined
    if (isBarren && this.#barren.size < REMEMBERED_TREES) this.#barren.add(subtree)
  }

  #matches(path: string, node: TreeNode): boolean {
    const { types, oldest, newest } = this.#request
    if (types !== undefined && !types.includes(node.type)) return false
    if (oldest !== undefined && node.mtimeNs < toNs(oldest)) return false
    // A date has milliseconds; what was modified within the last of them still counts.
    if (newest !== undefined && node.mtimeNs >= toNs(newest) + 1_000_000n) return false
    return this.#byName(node.name) || this.#byPath?.(path) === true
  }
}

type Matcher = (text: string) => boolean

function matcher(patterns: readonly string[], ignoreCase: boolean): Matcher {
  if (patterns.length === 0) return () => false
  // As bytes that are not text are printed: not a glob's escape of an "x".
  const globs = patterns.map(pattern => pattern.replace(/\\(?=x[0-9a-f]{2})/g, '\\\\'))
  const matches = picomatch(globs, { dot: true, nocase: ignoreCase, nonegate: true, windows: false })
  // A name like "report (1).pdf" is a pattern that does not match itself.
  const literal = new Set(patterns)
  return text => typedForms(text).some(form => literal.has(form) || matches(form))
}

/** As a whole path from the source's folder. */
function anchor(pattern: string): string {
  return pattern.startsWith('/') ? pattern.slice(1) : `**/${pattern}`
}

function toNs(time: Date): bigint {
  return BigInt(time.getTime()) * 1_000_000n
}
