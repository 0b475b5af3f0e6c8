import { mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SteppedClock } from '../../test/helpers/engine.ts'
import { RunLogs } from './run-log.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-logs-'))
})
afterEach(() => rm(folder, { recursive: true }))

const clock = new SteppedClock()

test('writes each line to the file of the day and to that of its run', async () => {
  const logs = new RunLogs(join(folder, 'logs'), clock)
  logs.write({ job: 'backup a', line: 'starts' }, undefined)
  logs.write({ job: 'backup a', line: 'done' }, 'r1')
  await logs.flush()
  const linesOf = async (file: string) =>
    (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as unknown)
  const done = { time: '2026-01-01T00:00:00.000Z', job: 'backup a', line: 'done', run: 'r1' }
  expect(await linesOf(logs.fileOf('r1'))).toEqual([done])
  expect(await linesOf(join(folder, 'logs/2026-01-01.jsonl'))).toEqual([
    expect.objectContaining({ line: 'starts' }),
    done,
  ])
})

test('goes on where it cannot write', async () => {
  await writeFile(join(folder, 'logs'), 'a file')
  const logs = new RunLogs(join(folder, 'logs'), clock)
  logs.write({ line: 'x' }, 'r')
  await expect(logs.flush()).resolves.toBeUndefined()
})

test('removes what is older than 30 days, then the oldest of too much, and nothing that is not a log', async () => {
  const logs = new RunLogs(folder, clock)
  logs.write({ line: 'x' }, 'newest')
  await logs.flush()
  const place = async (name: string, days: number, bytes: number): Promise<void> => {
    await writeFile(join(folder, name), '')
    await truncate(join(folder, name), bytes)
    const at = new Date(clock.now().getTime() - days * 86_400_000)
    await utimes(join(folder, name), at, at)
  }
  await place('old.jsonl', 31, 1)
  await place('notes.txt', 400, 1)
  await place('runs/large-older.jsonl', 2, 400 * 1024 * 1024)
  await place('runs/large-newer.jsonl', 1, 400 * 1024 * 1024)
  for (const name of ['2026-01-01.jsonl', 'runs/newest.jsonl'])
    await utimes(join(folder, name), clock.now(), clock.now())
  await logs.rotate()
  expect((await readdir(folder)).toSorted()).toEqual(['2026-01-01.jsonl', 'notes.txt', 'runs'])
  expect((await readdir(join(folder, 'runs'))).toSorted()).toEqual(['large-newer.jsonl', 'newest.jsonl'])
})
