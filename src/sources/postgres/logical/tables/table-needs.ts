import type { TocEntry } from '../archive/toc.ts'

/** What tables and what hangs on them is made of. One that is gone, as by `DROP FUNCTION ... CASCADE`, comes back with them. */
export const NEEDED: ReadonlySet<string> = new Set([
  'SCHEMA',
  'TYPE',
  'DOMAIN',
  'FUNCTION',
  'PROCEDURE',
  'AGGREGATE',
  'VIEW',
  'MATERIALIZED VIEW',
])

type Test = (entry: TocEntry) => boolean

/** Knows what an entry needs, and whether it can come back in this target. */
export class TableNeeds {
  readonly #byId: ReadonlyMap<number, TocEntry>
  readonly #exists: Test
  /** Tables that come back. */
  readonly #created: ReadonlySet<number>
  readonly #known = new Map<number, boolean>()

  constructor(toc: readonly TocEntry[], exists: Test, created: ReadonlySet<number>) {
    this.#byId = new Map(toc.map(entry => [entry.id, entry]))
    this.#exists = exists
    this.#created = created
  }

  entries(ids: readonly number[]): TocEntry[] {
    return ids.flatMap(id => this.#byId.get(id) ?? [])
  }

  /** Of a table or an extension that neither is there nor comes back, nothing can. */
  canCome(entry: TocEntry): boolean {
    const known = this.#known.get(entry.id)
    if (known !== undefined) return known
    // Two that need each other don't keep each other away.
    this.#known.set(entry.id, true)
    const can = this.entries(entry.dependsOn).every(each => this.#isMet(each))
    this.#known.set(entry.id, can)
    return can
  }

  #isMet(entry: TocEntry): boolean {
    if (entry.kind === 'TABLE') return this.#created.has(entry.id) || this.#exists(entry)
    if (entry.kind === 'EXTENSION') return this.#exists(entry)
    return !NEEDED.has(entry.kind) || this.#exists(entry) || this.canCome(entry)
  }

  /** What these need, directly or not, and the target lacks. */
  missing(chosen: Iterable<number>): TocEntry[] {
    const found = new Map<number, TocEntry>()
    const look = (ids: readonly number[]): void => {
      for (const entry of this.entries(ids)) {
        if (!NEEDED.has(entry.kind) || found.has(entry.id) || this.#exists(entry)) continue
        found.set(entry.id, entry)
        look(entry.dependsOn)
      }
    }
    for (const id of chosen) look(this.#byId.get(id)?.dependsOn ?? [])
    return [...found.values()]
  }
}

/** Rows come by themselves, rights and comments with what they are of. */
const NOT_MISSED: ReadonlySet<string> = new Set([
  'TABLE',
  'TABLE DATA',
  'SEQUENCE SET',
  'SEQUENCE OWNED BY',
  'TABLE ATTACH',
  'INDEX ATTACH',
  'COMMENT',
  'ACL',
  'DEFAULT ACL',
  'ROW SECURITY',
  'SECURITY LABEL',
  'PUBLICATION TABLE',
  'MATERIALIZED VIEW DATA',
])

/** What went with the objects that are made again, and is of a kind that does not come back, or lacks something else. */
export function leftBehind(
  toc: readonly TocEntry[],
  chosen: ReadonlySet<number>,
  created: ReadonlySet<number>,
  exists: Test,
): TocEntry[] {
  const gone = new Set(created)
  const left: TocEntry[] = []
  for (const entry of toc) {
    if (chosen.has(entry.id) || NOT_MISSED.has(entry.kind) || exists(entry)) continue
    if (!entry.dependsOn.some(id => gone.has(id))) continue
    gone.add(entry.id)
    left.push(entry)
  }
  return left
}
