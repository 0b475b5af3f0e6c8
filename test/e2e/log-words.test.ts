import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')
/** Where any source's log is handled. */
const ROOMS = [
  'operations/{logs,restore,prune}/**',
  'repository/{logs,contract}/**',
  'model/**',
  'sources/{log-format,source-log,recovery-request}',
]
/** A slot of a schedule is a time, no replication slot. */
const NOT_OF_LOGS = ['model/schedule.ts']
/** What only PostgreSQL's log has, or calls so. */
const WORDS =
  /timeline|\blsns?\b|lsn[A-Z]|Lsn|\bxids?\b|pg_(?:wal|receivewal|control)|(?:restore|archive)_command|\bslots?\b|\bWAL\b/

test('what handles the log of any source does not use the words of PostgreSQL', () => {
  const files = ROOMS.flatMap(room => globSync(`${room}.ts`, { cwd: SRC, exclude: NOT_OF_LOGS })).filter(
    file => !file.endsWith('.test.ts'),
  )
  expect(files.length).toBeGreaterThan(50)
  const lines = files.flatMap(file =>
    readFileSync(join(SRC, file), 'utf8')
      .split('\n')
      .filter(line => WORDS.test(line))
      .map(line => `${file}: ${line.trim()}`),
  )
  expect(lines).toEqual([])
  expect(WORDS.test(readFileSync(join(SRC, 'sources/postgres/physical/log/wal.ts'), 'utf8'))).toBe(true)
})
