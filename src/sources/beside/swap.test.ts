import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { failFolderSyncs } from '../../../test/helpers/folder-sync.ts'
import { type KeptPath, keptPathOf } from './names.ts'
import { dropKeptPath, dropReplaced, putKeptBack, settleKeptPath, swapIn } from './swap.ts'

let dir: string
let place: KeptPath
const at = (name: string): string => join(dir, name)
const text = (name: string): string => readFileSync(at(name), 'utf8')

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-kept-'))
  place = keptPathOf(at('app.db'), 'before-1', ['-wal', '-shm'])
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('a file', () => {
  beforeEach(() => {
    writeFileSync(at('app.db'), 'old')
    writeFileSync(at('fresh'), 'new')
  })

  it('is swapped, put back, and dropped', async () => {
    await swapIn(at('fresh'), place)
    expect([text('app.db'), text('app.db.before-1')]).toEqual(['new', 'old'])
    await putKeptBack(place, at('app.db.before-2'))
    expect([text('app.db'), text('app.db.before-2')]).toEqual(['old', 'new'])
    await dropKeptPath(keptPathOf(at('app.db'), 'before-2', ['-wal']))
    expect(readdirSync(dir)).toEqual(['app.db'])
    await dropKeptPath(keptPathOf(at('app.db'), 'before-2'))
  })

  it('goes with its log, and comes back with it; the new one keeps none of it', async () => {
    writeFileSync(at('app.db-wal'), 'old log')
    await swapIn(at('fresh'), place)
    expect(readdirSync(dir).toSorted()).toEqual(['app.db', 'app.db.before-1', 'app.db.before-1-wal'])
    writeFileSync(at('app.db-wal'), 'new log')
    await putKeptBack(place, undefined)
    expect([text('app.db'), text('app.db-wal')]).toEqual(['old', 'old log'])
    expect(readdirSync(dir)).toHaveLength(2)
  })

  it('can be put back when nothing is there, and not when nothing is kept', async () => {
    await swapIn(at('fresh'), place)
    rmSync(at('app.db'))
    await putKeptBack(place, undefined)
    expect(text('app.db')).toBe('old')
    await expect(putKeptBack(place, undefined)).rejects.toMatchObject({ code: 'not-found' })
    expect(text('app.db')).toBe('old')
  })
})

describe('after a kill', () => {
  beforeEach(() => {
    writeFileSync(at('app.db'), 'old')
    writeFileSync(at('fresh'), 'new')
  })

  it.each<[string, () => void, string, string]>([
    ['before anything', () => {}, 'untouched', 'old'],
    ['with a second name made', () => linkSync(at('app.db'), place.kept), 'untouched', 'old'],
    ['with the old one away', () => renameSync(at('app.db'), place.kept), 'rolled-back', 'old'],
    [
      'after the swap',
      () => {
        renameSync(at('app.db'), place.kept)
        renameSync(at('fresh'), at('app.db'))
      },
      'finished',
      'new',
    ],
  ])('%s', async (_when, half, state, content) => {
    half()
    expect(await settleKeptPath(place)).toBe(state)
    expect(text('app.db')).toBe(content)
    // What is settled stays so.
    expect(await settleKeptPath(place)).toBe(state === 'rolled-back' ? 'untouched' : state)
    expect(existsSync(place.kept)).toBe(state === 'finished')
  })

  it.each([0, 1, 2])('puts the log back with its database, killed again after %i of its files', async moved => {
    writeFileSync(at('app.db-wal'), 'log')
    writeFileSync(at('app.db-shm'), 'index')
    renameSync(at('app.db'), place.kept)
    for (const end of place.sidecars) renameSync(at('app.db') + end, place.kept + end)
    for (const end of place.sidecars.slice(0, moved)) renameSync(place.kept + end, at('app.db') + end)
    expect(await settleKeptPath(place)).toBe('rolled-back')
    expect([text('app.db'), text('app.db-wal'), text('app.db-shm')]).toEqual(['old', 'log', 'index'])
  })
})

describe('on the way back', () => {
  const aside = (): string => at('app.db.lifeboat-replaced')
  const files = (): Record<string, string> => Object.fromEntries(readdirSync(dir).map(name => [name, text(name)]))

  it('a log that comes is never beside the file that goes', async () => {
    writeFileSync(at('app.db'), 'new')
    writeFileSync(place.kept, 'old')
    writeFileSync(`${place.kept}-wal`, 'old log')
    const watched: string[] = []
    const watcher = watch(dir, (_event, name) => watched.push(String(name)))
    await putKeptBack(place, at('app.db.before-2'))
    await vi.waitFor(() => expect(watched).toContain('app.db-wal'))
    watcher.close()
    expect(watched.indexOf('app.db')).toBeLessThan(watched.indexOf('app.db-wal'))
    expect(text('app.db-wal')).toBe('old log')
  })

  it('a log that was left behind is not applied to what comes back', async () => {
    writeFileSync(aside(), 'new')
    writeFileSync(at('app.db-wal'), 'new log')
    writeFileSync(place.kept, 'old')
    expect(await settleKeptPath(place)).toBe('rolled-back')
    await dropReplaced(place)
    expect(files()).toEqual({ 'app.db': 'old' })
  })

  it.each([0, 1, 2])('a log that has come stays with what comes back (%i of its files)', async moved => {
    writeFileSync(aside(), 'new')
    writeFileSync(at('app.db.lifeboat-coming'), 'old')
    for (const [index, end] of place.sidecars.entries())
      writeFileSync((index < moved ? at('app.db') : place.kept) + end, 'old log')
    expect(await settleKeptPath(place)).toBe('rolled-back')
    await dropReplaced(place)
    expect(files()).toEqual({ 'app.db': 'old', 'app.db-wal': 'old log', 'app.db-shm': 'old log' })
  })

  it('what comes back for an undo is in place when its log is', async () => {
    writeFileSync(at('app.db.lifeboat-coming'), 'old')
    writeFileSync(at('app.db-wal'), 'old log')
    writeFileSync(place.kept, 'new')
    expect(await settleKeptPath(place)).toBe('finished')
    expect(files()).toEqual({ 'app.db': 'old', 'app.db-wal': 'old log', 'app.db.before-1': 'new' })
  })

  it("what a killed one left is in nobody's way", async () => {
    writeFileSync(aside(), 'left')
    writeFileSync(at('app.db'), 'new')
    writeFileSync(place.kept, 'old')
    await putKeptBack(place, undefined)
    expect(files()).toEqual({ 'app.db': 'old' })
  })
})

it('swaps a folder, whole', async () => {
  const folder = keptPathOf(at('docs'), 'before-1')
  mkdirSync(at('docs'))
  writeFileSync(at('docs/a'), 'old')
  mkdirSync(at('partial'))
  writeFileSync(at('partial/b'), 'new')
  await swapIn(at('partial'), folder)
  expect([readdirSync(at('docs')), readdirSync(at('docs.before-1'))]).toEqual([['b'], ['a']])
  expect(await settleKeptPath(folder)).toBe('finished')
  await putKeptBack(folder, undefined)
  expect(readdirSync(at('docs'))).toEqual(['a'])
  expect(readdirSync(dir)).toEqual(['docs'])
})

describe('a swap that fails', () => {
  it('leaves the folder that was there', async () => {
    mkdirSync(at('docs'))
    writeFileSync(at('docs/a'), 'old')
    await expect(swapIn(at('gone'), keptPathOf(at('docs'), 'before-1'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(dir)).toEqual(['docs'])
    expect(readdirSync(at('docs'))).toEqual(['a'])
  })

  it('leaves the file that was there, with its log', async () => {
    writeFileSync(at('app.db'), 'old')
    writeFileSync(at('app.db-wal'), 'log')
    await expect(swapIn(at('gone'), place)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(dir).toSorted()).toEqual(['app.db', 'app.db-wal'])
    rmSync(at('app.db-wal'))
    await expect(swapIn(at('gone'), place)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(readdirSync(dir)).toEqual(['app.db'])
  })

  it('because of the disk has one or the other in place', async () => {
    writeFileSync(at('app.db'), 'old')
    writeFileSync(at('fresh'), 'new')
    await failFolderSyncs('EIO')
    await expect(swapIn(at('fresh'), place)).rejects.toMatchObject({ code: 'EIO' })
    expect(text('app.db')).toBe('old')
  })
})
