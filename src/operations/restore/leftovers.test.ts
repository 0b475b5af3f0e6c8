import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { type JournalEntry, RestoreJournal } from './journal.ts'
import { findLeftovers } from './leftovers.ts'

let folder: string
let journal: RestoreJournal
beforeEach(() => {
  folder = makeTempDir()
  journal = new RestoreJournal(folder, systemClock)
})

const begin = (run: string, target: string): Promise<JournalEntry> =>
  journal.begin({
    run,
    operation: 'restore',
    source: 'app',
    kind: 'files',
    strategy: 'replace',
    target,
    places: [target],
    existed: true,
    repository: 'main',
    snapshot: 'a'.repeat(64),
    keepAs: 'before-1',
    undoOf: undefined,
    tookKeptAs: undefined,
  })

const subjects = async (...own: readonly string[]): Promise<string[]> =>
  (await findLeftovers(journal, own)).map(({ subject }) => subject).toSorted()

test('names what a killed restore left beside its target, until it is gone; not of one that is running', async () => {
  const docs = join(folder, 'docs')
  const database = join(folder, 'app.db')
  const entry = await begin('1', docs)
  await journal.update(await begin('2', database), { phase: 'failed' })
  await journal.update(await begin('3', 'postgres:///shop'), { phase: 'done' })
  expect(await subjects('postgres:///')).toEqual([])
  mkdirSync(`${docs}.lifeboat-partial`)
  writeFileSync(`${database}.lifeboat-partial`, 'half')
  expect(await subjects()).toEqual([`${database}.lifeboat-partial`])
  await journal.update(entry, { phase: 'failed' })
  expect(await subjects(docs)).toEqual([`${database}.lifeboat-partial`, `${docs}.lifeboat-partial`])
  rmSync(`${docs}.lifeboat-partial`, { recursive: true })
  expect(await subjects()).toEqual([`${database}.lifeboat-partial`])
})

test('names a folder whose restore was cut off', async () => {
  const docs = join(folder, 'docs')
  mkdirSync(docs)
  const entry = await begin('1', docs)
  writeFileSync(join(docs, '.lifeboat-restore'), 'snapshot')
  expect(await subjects()).toEqual([])
  await journal.update(entry, { phase: 'failed' })
  expect(await subjects()).toEqual([join(docs, '.lifeboat-restore')])
})

test('names each kind of what restores leave at the places of sources, and nothing else', async () => {
  const left = [
    'app.db-wal.lifeboat-old',
    'app.db.before-1a2b3c4d',
    'app.db.before-1a2b3c4d-came',
    'app.db.before-1a2b3c4d.lifeboat-copy',
    'app.db.before-20260904-015930-1a2b3c4d',
    'app.db.lifeboat-failed',
    'app.db.lifeboat-partial',
    'app.db.lifeboat-replaced',
    'app.db.lifeboat-stand-in',
    'app.db.taken-back-1a2b3c4d',
  ]
  const others = [
    'app.db',
    'app.db-wal',
    'app.db.before-1a2b3c4d-wal',
    'app.db.before-lunch',
    'app.db.lifeboat-partial-wal',
  ]
  for (const name of [...left, ...others, 'other.db.lifeboat-partial']) writeFileSync(join(folder, name), 'x')
  symlinkSync(folder, join(folder, 'link'))
  const found = await subjects(join(folder, 'link', 'app.db'))
  expect(found.map(path => basename(path))).toEqual(left)
  expect(await subjects(join(folder, 'gone', 'app.db'))).toEqual([])
})

test('does not name what an undo can still put back', async () => {
  const database = join(folder, 'app.db')
  const kept = `${database}.before-1a2b3c4d`
  writeFileSync(kept, 'x')
  const entry = await journal.update(await begin('1', database), { phase: 'done', kept: [{ target: database, kept }] })
  expect(await subjects(database)).toEqual([])
  await journal.update(entry, { kept: [] })
  expect(await subjects(database)).toEqual([kept])
})
