import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { LogBase, LogFile, LogGap, LogRange, LogWindow } from '../../src/model/log.ts'
import type { BaseChoice, BaseWish, LogCoverage, LogFormat, LogReader, LogState } from '../../src/sources/source.ts'

/**
 * A log that is as unlike PostgreSQL's as can be: pages of three numbers, whose names count down (`Page_0999` is before
 * `Page_0998`) and hold upper case and `_`, positions like `998/2`, no branches, no fixed size.
 */

export const PAGE_ENTRIES = 3
export const FIRST_PAGE = 999

export interface TallyEntry {
  readonly atMs: number
  readonly value: number
}

export interface TallyPosition {
  readonly page: number
  /** Entries of that page that are before it. */
  readonly entries: number
}

export const pageName = (page: number): string => `Page_${String(page).padStart(4, '0')}`
export const pageOf = (name: string): number => Number(name.slice('Page_'.length))
export const formatPosition = ({ page, entries }: TallyPosition): string => `${page}/${entries}`

export function parsePosition(text: string): TallyPosition | undefined {
  const match = /^(\d+)\/(\d)$/.exec(text)
  return match ? { page: Number(match[1]), entries: Number(match[2]) } : undefined
}

export function formatPage(log: string, page: number, entries: readonly TallyEntry[]): string {
  return [`${log} ${page}`, ...entries.map(({ atMs, value }) => `${atMs} ${value}`), ''].join('\n')
}

export function parsePage(text: string): { log: string; page: number; entries: TallyEntry[] } | undefined {
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const [, log = '', page] = /^(\S+) (\d+)$/.exec(head) ?? []
  if (page === undefined) return undefined
  const entries = lines.map(line => line.split(' ').map(Number)).map(([atMs = 0, value = 0]) => ({ atMs, value }))
  return { log, page: Number(page), entries }
}

/** `Page_0998.open` is the one that is being written. */
function parseName(entry: string): LogFile | undefined {
  const match = /^(Page_\d{4})(\.open)?$/.exec(entry)
  const name = match?.[1]
  if (name === undefined) return undefined
  return { name, unfinished: match?.[2] !== undefined, order: String(10_000 - pageOf(name)) }
}

export const tallyFormat: LogFormat = {
  words: {
    log: 'tally',
    file: 'page',
    branch: 'line',
    nameHint: 'Names look like Page_0999.',
    logHint: 'Name the tally.',
    positionHint: 'Positions look like 998/2.',
  },
  parseName,
  isPosition: text => parsePosition(text) !== undefined,
  findLog: async () => undefined,
  checkFile: ({ name, unfinished }, bytes) => {
    const page = parsePage(bytes.toString())
    const isWhole = page?.page === pageOf(name) && (unfinished || page.entries.length === PAGE_ENTRIES)
    return isWhole ? { log: page.log } : undefined
  },
  listWaiting: async path => {
    const files = (await readdir(dirname(path))).flatMap(entry => parseName(entry) ?? [])
    const later = files.filter(file => !file.unfinished && file.name < basename(path)).map(file => file.name)
    return later.toSorted().toReversed()
  },
  listNext: (name, _sizeBytes, count) => Array.from({ length: count }, (_, i) => pageName(pageOf(name) - i - 1)),
  findBase: manifest => {
    const { log, position } = manifest.database?.properties ?? {}
    if (typeof log !== 'string' || typeof position !== 'string') return undefined
    const endedAt = new Date(manifest.capturedAt)
    return { log, branch: 1, start: position, end: position, endedAt, properties: {} }
  },
  readCoverage: async archive => new TallyCoverage(archive),
}

class TallyCoverage implements LogCoverage {
  readonly #archive: LogReader
  /** In the order in which they were written. */
  readonly #pages: readonly number[]

  constructor(archive: LogReader) {
    this.#archive = archive
    this.#pages = archive.files.map(file => pageOf(file.name)).toSorted((a, b) => b - a)
  }

  get ranges(): readonly LogRange[] {
    const [first] = this.#pages
    const last = this.#pages.at(-1)
    if (first === undefined || last === undefined) return []
    return [{ branch: 1, first: pageName(first), last: pageName(last), files: this.#pages.length }]
  }

  get gaps(): readonly LogGap[] {
    return this.#pages.flatMap((page, i) => {
      const before = this.#pages[i - 1]
      if (before === undefined || before === page + 1) return []
      const [firstMissing, lastMissing] = [pageName(before - 1), pageName(page + 1)]
      return [{ branch: 1, firstMissing, lastMissing, count: before - page - 1 }]
    })
  }

  listWindows(bases: readonly LogBase[]): readonly LogWindow[] {
    const byEnd = Map.groupBy(bases, base => this.#lastAfter(base))
    return [...byEnd].map(([last, members]) => ({
      branch: 1,
      bases: members,
      from: members[0]?.endedAt ?? new Date(0),
      fromPosition: members[0]?.end ?? '',
      toPosition:
        last === undefined ? (members.at(-1)?.end ?? '') : formatPosition({ page: last, entries: PAGE_ENTRIES }),
      lastFile: last === undefined ? undefined : pageName(last),
    }))
  }

  listUnneeded(bases: readonly LogBase[]): readonly string[] {
    const first = Math.max(...bases.map(base => parsePosition(base.start)?.page ?? 0))
    return bases.length === 0 ? [] : this.#pages.filter(page => page > first).map(pageName)
  }

  async choose({ target, bases, wanted }: BaseWish): Promise<BaseChoice> {
    const reaching: LogBase[] = []
    for (const base of bases.toReversed()) if (await this.#reaches(base, target)) reaching.push(base)
    const chosen = reaching.find(base => wanted === undefined || base.snapshot === wanted)
    if (chosen) return { base: chosen, findings: [] }
    return { reason: 'no page holds it, or one is missing before it', better: reaching[0] }
  }

  measureLag({ position }: LogState): { readonly bytes: number; readonly newest: string } | undefined {
    const last = this.#pages.at(-1)
    const live = parsePosition(position)?.page
    return last === undefined || live === undefined ? undefined : { bytes: last - live, newest: pageName(last) }
  }

  async #reaches(base: LogBase, target: BaseWish['target']): Promise<boolean> {
    const last = this.#lastAfter(base)
    if (target.kind === 'position') {
      const page = parsePosition(target.position)?.page ?? 0
      return last !== undefined && page >= last && page <= (parsePosition(base.end)?.page ?? 0)
    }
    if (target.kind !== 'time') return true
    const header = last === undefined ? undefined : await this.#archive.findHeader(pageName(last))
    const toMs = header?.writtenAt.getTime() ?? base.endedAt.getTime()
    return base.endedAt.getTime() * 1000 <= target.epochMicros && target.epochMicros <= toMs * 1000
  }

  /** The last page that follows a backup without a gap. */
  #lastAfter(base: LogBase): number | undefined {
    let page = parsePosition(base.end)?.page ?? 0
    if (!this.#pages.includes(page)) return undefined
    while (this.#pages.includes(page - 1)) page--
    return page
  }
}
