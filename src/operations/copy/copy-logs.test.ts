import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { backUp, copyStorage, engineOptions, SteppedClock, useCheapKey } from '../../../test/helpers/engine.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage } from '../../../test/helpers/memory-storage.ts'
import { formatPage, formatPosition, pageName, tallyFormat } from '../../../test/helpers/tally-log.ts'
import { silentLogger } from '../../base/logger.ts'
import { labelsToTags } from '../../model/recovery-point.ts'
import { createRepository, openRepository, type Repository } from '../../repository/index.ts'
import type { Capture, Source } from '../../sources/source.ts'
import { backup } from '../backup/backup.ts'
import { copyLogs, type LogCopy } from './copy-logs.ts'

const LOG = { kind: 'tally', id: 'Tally-A' }
const formats = {
  logFormat: async (kind: string) => (kind === 'tally' ? tallyFormat : undefined),
}
const { signal } = new AbortController()

/** Made once: a key takes longer than a test. */
const empty = new MemoryStorage()
beforeAll(async () => {
  const repository = await createRepository(empty, engineOptions(new SteppedClock()))
  await useCheapKey(empty)
  await repository.close()
})

/** A base backup that needs the log from this page on. */
async function takeBase(repository: Repository, page: number): Promise<void> {
  const position = formatPosition({ page, entries: 1 })
  const capture: Capture = {
    entries: async function* () {},
    finish: async () => ({
      capturedAt: new Date(1000),
      findings: [],
      complete: true,
      database: { tables: [], schemaFingerprint: '', properties: { log: LOG.id, position } },
    }),
    close: async () => {},
  }
  const traits = { consistency: 'transactional', types: ['full'] }
  const source = { name: 'counts', kind: 'tally', traits, capture: async () => capture } as unknown as Source
  await backup({
    source,
    repository,
    type: 'full',
    runId: 'r',
    tags: [],
    host: { hostname: 'h', username: 'u', uid: 0, gid: 0 },
    programVersion: 'lifeboat test',
    excludePaths: [],
    signal,
    clock: new SteppedClock(),
    logger: silentLogger,
    scratchDir: '/nowhere',
  })
}

const bytesOf = (page: number, entries = 3): Buffer =>
  Buffer.from(
    formatPage(
      LOG.id,
      page,
      Array.from({ length: entries }, (_, value) => ({ atMs: page, value })),
    ),
  )

const write = (repository: Repository, page: number, { unfinished = false, entries = 3 } = {}): Promise<unknown> =>
  repository.logs.save({
    log: LOG,
    name: pageName(page),
    unfinished,
    bytes: bytesOf(page, entries),
    writtenAt: new Date(page),
  })

/** `998 997~`: the second is unfinished. In no order but by name. */
async function pagesIn(repository: Repository): Promise<string> {
  const pages: string[] = []
  for await (const { name, unfinished } of repository.logs.list(LOG))
    pages.push(name.slice(6) + (unfinished ? '~' : ''))
  return pages.toSorted().toReversed().join(' ')
}

let here: MemoryStorage
let there: FaultyStorage
let from: Repository
let to: Repository
beforeEach(async () => {
  here = await copyStorage(empty)
  there = new FaultyStorage(await copyStorage(empty))
  from = await openRepository(here, engineOptions(new SteppedClock()))
  to = await openRepository(there, engineOptions(new SteppedClock()))
})
afterEach(async () => {
  await from.close()
  await to.close()
})

const copy = (stop = signal): Promise<LogCopy | undefined> =>
  copyLogs(formats, { from, to, sources: ['counts'], signal: stop })

/** Where the log of `from` keeps this page. */
const keyOf = async (page: number): Promise<string> => {
  for await (const key of here.listKeys('logs/')) if (key.endsWith(String(page))) return key
  throw new Error(`no page ${page}`)
}

test('a log is copied as far back as the oldest backup at the other place needs it, and once', async () => {
  await takeBase(from, 999)
  await takeBase(to, 997)
  for (const page of [999, 998, 997, 996, 995]) await write(from, page)
  const first = await copy()
  expect(first).toMatchObject({ copied: { files: 3 }, findings: [] })
  expect(first?.copied.bytes).toBe([997, 996, 995].reduce((sum, page) => sum + bytesOf(page).length, 0))
  expect(await pagesIn(to)).toBe('997 996 995')
  expect(await copy()).toEqual({ copied: { files: 0, bytes: 0 }, findings: [] })
  const found = await to.logs.find(LOG, { name: pageName(996), unfinished: false })
  expect([found?.bytes.equals(bytesOf(996)), found?.header.writtenAt]).toEqual([true, new Date(996).toISOString()])
})

test('without a backup at the other place, or a log here, nothing is copied', async () => {
  expect(await copy()).toBeUndefined()
  await write(from, 999)
  expect(await copy()).toEqual({ copied: { files: 0, bytes: 0 }, findings: [] })
  await backUp(to, { a: Buffer.from('a') }, signal, {
    tags: labelsToTags({ source: 'counts', kind: 'unheard', type: 'full', run: 'r' }),
  })
  expect(await copy()).toEqual({ copied: { files: 0, bytes: 0 }, findings: [] })
})

test('a file that is damaged here is named, and all others are copied; once it is mended it follows', async () => {
  await takeBase(to, 999)
  for (const page of [999, 998, 997]) await write(from, page)
  const key = await keyOf(998)
  const sealed = await here.load(key)
  const damaged = Buffer.from(sealed)
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1
  await here.save(key, damaged)
  expect(await copy()).toMatchObject({
    copied: { files: 2 },
    findings: [{ severity: 'error', code: 'log-not-copied', subject: `log file ${pageName(998)}` }],
  })
  expect(await pagesIn(to)).toBe('999 997')
  await here.save(key, sealed)
  expect(await copy()).toMatchObject({ copied: { files: 1 }, findings: [] })
  expect(await pagesIn(to)).toBe('999 998 997')
})

test('a copy that is stopped has brought the oldest files, without a gap, and the next one goes on', async () => {
  await takeBase(to, 999)
  for (const page of [995, 997, 999, 996, 998]) await write(from, page)
  const stop = new AbortController()
  const save = there.save.bind(there)
  let saved = 0
  there.save = async (...call) => {
    await save(...call)
    if (++saved === 2) stop.abort()
  }
  await expect(copy(stop.signal)).rejects.toMatchObject({ code: 'interrupted' })
  expect(await pagesIn(to)).toBe('999 998')
  there.save = save
  expect(await copy()).toMatchObject({ copied: { files: 3 }, findings: [] })
  expect(await pagesIn(to)).toBe('999 998 997 996 995')
})

test('an unfinished file follows as it grows, is replaced by the finished one, and never by a shorter one', async () => {
  await takeBase(to, 999)
  await write(from, 999)
  await write(from, 998, { unfinished: true, entries: 1 })
  await copy()
  expect(await pagesIn(to)).toBe('999 998~')
  // It was sent there directly meanwhile, and further.
  await write(to, 998, { unfinished: true, entries: 2 })
  expect(await copy()).toMatchObject({ copied: { files: 0 }, findings: [] })
  const unfinished = { name: pageName(998), unfinished: true }
  expect((await to.logs.find(LOG, unfinished))?.bytes.equals(bytesOf(998, 2))).toBe(true)
  await write(from, 998)
  expect(await copy()).toMatchObject({ copied: { files: 1 }, findings: [] })
  expect(await pagesIn(to)).toBe('999 998')
})

test('a file that is finished at the other place is not followed by its unfinished beginning', async () => {
  await takeBase(to, 999)
  await write(from, 999, { unfinished: true, entries: 1 })
  await write(to, 999)
  expect(await copy()).toMatchObject({ copied: { files: 0 }, findings: [] })
  expect(await pagesIn(to)).toBe('999')
})

test('an unfinished file that another one contradicts is named and left as it is there', async () => {
  await takeBase(to, 999)
  await write(from, 999, { unfinished: true, entries: 1 })
  const other = { log: LOG, name: pageName(999), unfinished: true, bytes: Buffer.from('other'), writtenAt: new Date(1) }
  await to.logs.save(other)
  expect(await copy()).toMatchObject({ copied: { files: 0 }, findings: [{ code: 'log-not-copied' }] })
  const kept = await to.logs.find(LOG, { name: pageName(999), unfinished: true })
  expect(kept?.bytes.toString()).toBe('other')
})
