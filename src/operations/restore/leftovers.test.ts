import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { RestoreJournal } from './journal.ts'
import { findLeftovers } from './leftovers.ts'

test('names what a killed restore left beside its target, until it is gone; not of one that is running', async () => {
  const folder = makeTempDir()
  const journal = new RestoreJournal(folder, systemClock)
  const begin = async (run: string, target: string) =>
    await journal.begin({
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
  const docs = join(folder, 'docs')
  const database = join(folder, 'app.db')
  const entry = await begin('1', docs)
  await journal.update(await begin('2', database), { phase: 'failed' })
  await journal.update(await begin('3', 'postgres:///shop'), { phase: 'done' })
  expect(await findLeftovers(journal)).toEqual([])
  mkdirSync(`${docs}.lifeboat-partial`)
  writeFileSync(`${database}.lifeboat-partial`, 'half')
  const subjects = async (): Promise<string[]> => (await findLeftovers(journal)).map(({ subject }) => subject)
  expect(await subjects()).toEqual([`${database}.lifeboat-partial`])
  await journal.update(entry, { phase: 'failed' })
  expect((await subjects()).toSorted()).toEqual([`${database}.lifeboat-partial`, `${docs}.lifeboat-partial`])
  rmSync(`${docs}.lifeboat-partial`, { recursive: true })
  expect(await subjects()).toEqual([`${database}.lifeboat-partial`])
})
