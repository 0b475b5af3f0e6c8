import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BackupType } from '../../src/model/manifest.ts'
import type {
  Capture,
  CaptureEntry,
  Content,
  LogReceiving,
  LogState,
  RecoveryRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceLog,
  SourceTraits,
  TargetSurvey,
} from '../../src/sources/source.ts'
import type { TargetAccess } from '../../src/sources/target.ts'
import {
  FIRST_PAGE,
  formatPage,
  formatPosition,
  PAGE_ENTRIES,
  pageName,
  parsePage,
  parsePosition,
  type TallyEntry,
} from './tally-log.ts'

export const TALLY_KIND = 'tally'
const FILE = 'numbers.txt'

/** A source of a kind that is not in the house: numbers, in the order in which they were written, with a log of pages. */
export class TallySource implements Source {
  readonly name = 'counts'
  readonly kind = TALLY_KIND
  readonly traits: SourceTraits = {
    consistency: 'transactional',
    types: ['full', 'incremental', 'differential'] satisfies BackupType[],
    wayBack: 'kept',
    targetSchemes: [],
    parts: [],
    changes: ['create'],
    masks: false,
    rewrites: 'always',
    queries: 'none',
  }
  readonly targets = fileTargets
  readonly log: SourceLog
  readonly #folder: string
  readonly #id: string
  readonly #entries: TallyEntry[] = []

  /** @param folder existing; pages lie in it */
  constructor(folder: string, id = 'Tally-A') {
    this.#folder = folder
    this.#id = id
    this.log = { inspect: async () => this.#state(), receive: request => this.#receive(request) }
  }

  get pages(): string {
    return join(this.#folder, 'pages')
  }

  async write(value: number, at: Date): Promise<void> {
    this.#entries.push({ atMs: at.getTime(), value })
    const index = Math.floor((this.#entries.length - 1) / PAGE_ENTRIES)
    const entries = this.#entries.slice(index * PAGE_ENTRIES)
    const path = join(this.pages, pageName(FIRST_PAGE - index))
    await mkdir(this.pages, { recursive: true })
    await writeFile(`${path}.tmp`, formatPage(this.#id, FIRST_PAGE - index, entries))
    await utimes(`${path}.tmp`, at, at)
    await rename(`${path}.tmp`, `${path}.open`)
    if (entries.length === PAGE_ENTRIES) await rename(`${path}.open`, path)
  }

  async probe() {
    return []
  }

  async capture(): Promise<Capture> {
    const state = await this.#state()
    const { atMs = 0 } = this.#entries.at(-1) ?? {}
    const bytes = Buffer.from(linesOf(this.#entries.map(entry => entry.value)))
    return {
      entries: () => oneFile(bytes, atMs),
      finish: async () => ({
        capturedAt: new Date(atMs),
        database: {
          tables: [],
          schemaFingerprint: '',
          properties: { log: this.#id, position: state.position, count: this.#entries.length },
        },
        findings: [],
        complete: true,
      }),
      close: async () => {},
    }
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    const { snapshot, target, recovery } = request
    const numbers: number[] = []
    for await (const { path, node } of snapshot.entries()) {
      if (path !== FILE) continue
      let text = ''
      for await (const part of snapshot.read(node)) text += part.toString()
      numbers.push(...text.split('\n').filter(Boolean).map(Number))
    }
    if (recovery) numbers.push(...(await replay(recovery, numbers.length)))
    await writeFile(`${target}.coming`, linesOf(numbers))
    await request.beforeChange?.({ places: [target] })
    await rename(`${target}.coming`, target)
    const bytes = Buffer.byteLength(linesOf(numbers))
    return { target, files: 1, totalBytes: bytes, writtenBytes: bytes, checks: [], findings: [] }
  }

  async close(): Promise<void> {}

  async #state(): Promise<LogState> {
    const count = this.#entries.length
    const position = formatPosition({
      page: FIRST_PAGE - Math.floor(count / PAGE_ENTRIES),
      entries: count % PAGE_ENTRIES,
    })
    return {
      id: this.#id,
      branch: 1,
      position,
      fileBytes: 100,
      hold: undefined,
      archiver: undefined,
      findings: [],
    }
  }

  /** Copies what there is, over and over. A page that was finished is no longer open. */
  async #receive({ folder, clock, signal }: LogReceiving): Promise<void> {
    while (!signal.aborted) {
      for (const entry of (await readdir(this.pages)).filter(name => !name.endsWith('.tmp'))) {
        const from = join(this.pages, entry)
        const bytes = await readFile(from).catch(() => undefined)
        const found = await stat(from).catch(() => undefined)
        if (bytes === undefined || found === undefined) continue
        await writeFile(join(folder, `.${entry}`), bytes)
        await utimes(join(folder, `.${entry}`), found.mtime, found.mtime)
        await rename(join(folder, `.${entry}`), join(folder, entry))
        if (!entry.endsWith('.open')) await rm(join(folder, `${entry}.open`), { force: true })
      }
      await clock.sleep(5, signal)
    }
  }
}

/** The numbers after the first `known` ones, up to the target. */
async function replay({ target, log, inclusive = true }: RecoveryRequest, known: number): Promise<number[]> {
  const archive = await log?.openLog?.()
  if (archive === undefined) return []
  const numbers: number[] = []
  for (let index = known; ; index++) {
    const page = FIRST_PAGE - Math.floor(index / PAGE_ENTRIES)
    const bytes = (await archive.find(pageName(page)))?.bytes
    const entry = bytes && parsePage(bytes.toString())?.entries[index % PAGE_ENTRIES]
    if (entry === undefined) return numbers
    if (target.kind === 'time') {
      const micros = entry.atMs * 1000
      if (inclusive ? micros > target.epochMicros : micros >= target.epochMicros) return numbers
    }
    if (target.kind === 'position') {
      const end = parsePosition(target.position) ?? { page: 0, entries: 0 }
      if (page < end.page || (page === end.page && index % PAGE_ENTRIES >= end.entries)) return numbers
    }
    numbers.push(entry.value)
  }
}

const linesOf = (numbers: readonly number[]): string => numbers.map(number => `${number}\n`).join('')

async function* oneFile(bytes: Buffer, atMs: number): AsyncGenerator<CaptureEntry> {
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  let at = 0
  const content: Content = {
    sizeBytes: bytes.length,
    cut: { kind: 'content' },
    read: async into => {
      const count = bytes.copy(into, 0, at)
      at += count
      return count
    },
    close: async () => {},
  }
  const meta = { type: 'file' as const, mode: 0o600, mtimeNs: BigInt(atMs) * 1_000_000n, ...owner }
  yield { path: FILE, meta, open: async () => content }
}

/** Files that are only ever made where nothing was. */
const fileTargets: TargetAccess = {
  survey: async ({ target }): Promise<TargetSurvey> => {
    const found = await stat(target).catch(() => undefined)
    return { place: target, exists: found !== undefined, sizeBytes: found?.size, findings: [] }
  },
  putBack: async () => [],
  dropKept: async () => {},
  writtenSince: async () => undefined,
  remove: async ({ target }) => await rm(target, { force: true }),
  settle: async () => ({ state: 'untouched', kept: [] }),
}
