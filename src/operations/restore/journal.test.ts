import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { thisProcess } from '../../base/process-life.ts'
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
/** No process of this boot has it: ids end below. */
const GONE = { ...thisProcess(), pid: 2 ** 30 }
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

  const start = thisProcess().start ?? ''
  const [boot = '', ...rest] = start.split(' ')
  const otherBoot = ['0-0-0', ...rest].join(' ')
  const container = start.replace(/pid:\[\d+\]/, 'pid:[1]')
  const HOURS = 3_600_000
  const awakeMs = Number(process.hrtime.bigint() / 1_000_000n)
  const silent = { boot, awakeMs: awakeMs - (SILENCE_MINUTES + 1) * 60_000 }

  it.each<[string, Partial<JournalEntry['owner']>, unknown, { fileHours: number }, boolean]>([
    ['a container, silent', { start: container }, silent, { fileHours: 0 }, true],
    // NTP set the clock forward by a day, or the machine slept: all files are old at once.
    ['a container, the clock jumped', { start: container }, { boot, awakeMs }, { fileHours: 24 }, false],
    [
      'the same container’s id here',
      { start: container, pid: process.pid },
      { boot, awakeMs },
      { fileHours: 0 },
      false,
    ],
    ['another host', { hostname: 'elsewhere' }, { boot: '0-0-0', awakeMs: 1 }, { fileHours: 0 }, false],
    ['another host, silent', { hostname: 'elsewhere' }, { boot: '0-0-0', awakeMs: 1 }, { fileHours: 1 }, true],
    ['another host, 20 minutes', { hostname: 'elsewhere' }, { boot: '0-0-0', awakeMs: 1 }, { fileHours: 1 / 3 }, false],
    ['this host before a power cut', { start: otherBoot }, { boot: '0-0-0', awakeMs: 1 }, { fileHours: 0.1 }, true],
    ['one of this name, at work', { start: otherBoot }, { boot: '0-0-0', awakeMs: 1 }, { fileHours: 0 }, false],
    ['no proof, its id is nobody’s', { start: undefined, pid: 2 ** 30 }, { boot, awakeMs }, { fileHours: 0 }, false],
    ['no signs', { hostname: 'elsewhere' }, undefined, { fileHours: 1 }, true],
    ['no signs yet', { hostname: 'elsewhere' }, undefined, { fileHours: 0 }, false],
    ['a sign that was cut short', { hostname: 'elsewhere' }, 'cut', { fileHours: 0 }, false],
    ['a sign of the future', { start: container }, { boot, awakeMs: awakeMs + HOURS }, { fileHours: 0 }, false],
  ])('of %s, its silence tells', async (_who, owner, sign, { fileHours }, gone) => {
    const entry = await begin(owner)
    const alive = fileOf(entry, 'json.alive')
    if (sign === undefined) rmSync(alive)
    else writeFileSync(alive, sign === 'cut' ? '{"bo' : JSON.stringify(sign))
    const then = new Date(Date.now() - fileHours * HOURS)
    for (const path of [fileOf(entry), alive]) if (existsSync(path)) utimesSync(path, then, then)
    expect(await journal.listInterrupted()).toMatchObject(gone ? [IT] : [])
    expect(await journal.listRunning()).toMatchObject(gone ? [] : [IT])
    // The same of who claimed to bring it to its end.
    const claim = fileOf(entry, 'claim')
    writeFileSync(claim, JSON.stringify(entry.owner))
    utimesSync(claim, then, then)
    if (sign !== undefined) {
      copyFileSync(alive, `${claim}.alive`)
      utimesSync(`${claim}.alive`, then, then)
    }
    expect(await journal.isClaimed(entry)).toBe(!gone)
  })
})

it('gives signs of life', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const entry = await begin()
  const stop = journal.keepFresh(entry)
  const alive = fileOf(entry, 'json.alive')
  rmSync(alive)
  vi.advanceTimersByTime(60_000)
  await vi.waitFor(() => expect(JSON.parse(readFileSync(alive, 'utf8'))).toMatchObject({ awakeMs: expect.any(Number) }))
  stop()
  expect(vi.getTimerCount()).toBe(0)
  await journal.update(entry, { phase: 'done' })
  expect(existsSync(alive)).toBe(false)
})

it('does not go on with one that another process brought to its end', async () => {
  const entry = await begin()
  await new RestoreJournal(state, systemClock).update(entry, { phase: 'rolled-back' })
  await expect(journal.update(entry, { phase: 'changing' })).rejects.toMatchObject({ code: 'target-in-use' })
  expect(await journal.list()).toMatchObject([{ phase: 'rolled-back' }])
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

  it.each(['', '{"pid', JSON.stringify(GONE)])('is not stopped by a claim left behind: %s', async left => {
    const entry = await begin(GONE)
    writeFileSync(fileOf(entry, 'claim'), left)
    expect(await journal.isClaimed(entry)).toBe(false)
    const claims = await Promise.all([1, 2, 3].map(() => journal.claim(entry)))
    expect(claims.filter(each => each !== undefined)).toHaveLength(1)
    const names = readdirSync(join(state, 'restores')).filter(name => !name.endsWith('.alive'))
    expect(names.toSorted()).toEqual([`${FRESH.run}.claim`, `${FRESH.run}.json`])
  })

  it('has come already', async () => {
    const entry = await begin(GONE)
    await journal.update(entry, { phase: 'done' })
    expect(await journal.claim(entry)).toBeUndefined()
    expect(existsSync(fileOf(entry, 'claim'))).toBe(false)
  })
})

describe('what cannot be read', () => {
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
