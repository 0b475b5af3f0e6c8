import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { type JournalEntry, type NewEntry, RestoreJournal, SILENCE_MINUTES } from './journal.ts'

const FRESH: NewEntry = {
  run: '5b0c9f3e-0000-4000-8000-000000000001',
  operation: 'restore',
  source: 'app',
  kind: 'sqlite',
  strategy: 'replace',
  target: '/srv/app.db',
  places: ['/srv/app.db'],
  existed: true,
  repository: 'main',
  snapshot: 'a'.repeat(64),
  keepAs: 'before-5b0c9f3e',
  undoOf: undefined,
  tookKeptAs: undefined,
}
const IT = { run: FRESH.run }
/** No process has it: ids end below. */
const GONE = { pid: 2 ** 30, start: undefined }
let state: string
let journal: RestoreJournal
const fileOf = ({ run }: { run: string }, end = 'json'): string => join(state, 'restores', `${run}.${end}`)

beforeEach(() => {
  state = makeTempDir()
  journal = new RestoreJournal(state, systemClock)
})

async function begin(owner: Partial<JournalEntry['owner']> = {}): Promise<JournalEntry> {
  const entry = await journal.begin(FRESH)
  return await journal.update(entry, { owner: { ...entry.owner, ...owner } })
}

describe('who carries a restore out', () => {
  it('is this process, or one that is gone', async () => {
    await begin()
    expect([await journal.listRunning(), await journal.listInterrupted()]).toMatchObject([[IT], []])
    await begin(GONE)
    expect([await journal.listRunning(), await journal.listInterrupted()]).toMatchObject([[], [IT]])
  })

  it.each<[string, (mine: string) => Partial<JournalEntry['owner']>]>([
    ['another host', () => ({ hostname: 'elsewhere' })],
    ['a container on this one', mine => ({ start: mine.replace(/pid:\[\d+\]/, 'pid:[1]') })],
  ])('on %s is told by its signs of life', async (_where, owner) => {
    const mine = (await begin()).owner.start ?? ''
    const entry = await begin(owner(mine))
    expect([await journal.listRunning(), await journal.listInterrupted()]).toMatchObject([[IT], []])
    const silent = new Date(Date.now() - (SILENCE_MINUTES + 1) * 60_000)
    utimesSync(fileOf(entry), silent, silent)
    expect([await journal.listRunning(), await journal.listInterrupted()]).toMatchObject([[], [IT]])
  })
})

it('gives signs of life', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const entry = await begin()
  const stop = journal.keepFresh(entry)
  const long = new Date(0)
  utimesSync(fileOf(entry), long, long)
  vi.advanceTimersByTime(60_000)
  await vi.waitFor(() => expect(statSync(fileOf(entry)).mtimeMs).toBeGreaterThan(0))
  stop()
  expect(vi.getTimerCount()).toBe(0)
})

describe('the end of an interrupted one', () => {
  it('is for one only, until it lets go', async () => {
    const entry = await begin(GONE)
    const claims = await Promise.all([1, 2, 3].map(() => journal.claim(entry)))
    const claim = claims.find(each => each !== undefined)
    expect(claims.filter(each => each !== undefined)).toHaveLength(1)
    expect(await journal.isClaimed(entry)).toBe(true)
    await claim?.release()
    expect(await journal.isClaimed(entry)).toBe(false)
    expect(await journal.claim(entry)).toBeDefined()
  })

  it.each(['', '{"pid', JSON.stringify({ pid: GONE.pid })])('is not stopped by a claim left behind: %s', async left => {
    const entry = await begin(GONE)
    writeFileSync(fileOf(entry, 'claim'), left)
    expect(await journal.isClaimed(entry)).toBe(false)
    const claims = await Promise.all([1, 2, 3].map(() => journal.claim(entry)))
    expect(claims.filter(each => each !== undefined)).toHaveLength(1)
    expect(readdirSync(join(state, 'restores')).toSorted()).toEqual([`${FRESH.run}.claim`, `${FRESH.run}.json`])
  })

  it('has come already', async () => {
    const entry = await begin(GONE)
    await journal.update(entry, { phase: 'done' })
    expect(await journal.claim(entry)).toBeUndefined()
    expect(existsSync(fileOf(entry, 'claim'))).toBe(false)
  })
})

describe('what can not be read', () => {
  it.each<[string, (text: string) => string]>([
    ['cut short', text => text.slice(0, 100)],
    ['empty', () => ''],
    ['of a newer version', text => text.replace('"format": 1', '"format": 2')],
  ])('is told: %s', async (_how, damage) => {
    const entry = await begin(GONE)
    expect(await journal.listUnreadable()).toEqual([])
    writeFileSync(fileOf(entry), damage(readFileSync(fileOf(entry), 'utf8')))
    expect([await journal.list(), await journal.listUnreadable()]).toEqual([[], [fileOf(entry)]])
  })

  it('is the journal itself', async () => {
    writeFileSync(join(state, 'restores'), '')
    for (const each of [journal.list(), journal.begin(FRESH)])
      await expect(each).rejects.toMatchObject({ code: 'failed', message: expect.stringContaining('journal') })
  })

  it('is nothing, where nothing was restored', async () => {
    expect([await journal.list(), await journal.listUnreadable()]).toEqual([[], []])
    mkdirSync(join(state, 'restores'))
    expect(await journal.list()).toEqual([])
  })
})
