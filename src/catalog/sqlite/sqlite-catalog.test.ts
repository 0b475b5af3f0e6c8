import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { testCatalog } from '../../../test/contracts/catalog-contract.ts'
import type { Finding } from '../../model/finding.ts'
import type { Catalog } from '../catalog.ts'
import { sqlite } from './index.ts'
import { openSqliteCatalog } from './sqlite-catalog.ts'

testCatalog(sqlite)

let place = ''
let catalog: Catalog | undefined
const findings: Finding[] = []
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'lifeboat-catalog-'))
  await chmod(place, 0o700)
  findings.length = 0
})
afterEach(async () => {
  await catalog?.close()
  await rm(place, { recursive: true, force: true })
})

const file = (): string => join(place, 'catalog.sqlite')
const open = async (): Promise<Catalog> => {
  catalog = await openSqliteCatalog(place, finding => findings.push(finding))
  return catalog
}

test('only its owner can read the file', async () => {
  await open()
  expect((await stat(file())).mode & 0o777).toBe(0o600)
})

test('one that is damaged or foreign is put aside, with a warning', async () => {
  const stranger = new DatabaseSync(join(place, 'stranger.sqlite'))
  stranger.exec('PRAGMA user_version = 1; CREATE TABLE run (x)')
  stranger.close()
  const bad = [Buffer.from('not a database, but long enough to be one'), Buffer.alloc(8192, 7)]
  bad.push(await readFile(join(place, 'stranger.sqlite')))
  for (const [index, content] of bad.entries()) {
    await writeFile(file(), content)
    const opened = await open()
    await opened.saveProofs('r', ['s'], 'checked', new Date())
    expect((await opened.listProofs('r')).size).toBe(1)
    await opened.close()
    expect(findings).toHaveLength(index + 1)
    expect(await readFile(`${file()}.damaged`)).toEqual(content)
  }
})

test('one of a newer version is left as it is, and said', async () => {
  const newer = new DatabaseSync(file())
  newer.exec('PRAGMA user_version = 99')
  newer.close()
  const before = await readFile(file())
  await expect(open()).rejects.toMatchObject({ code: 'unsupported', hint: expect.stringContaining('Update Lifeboat') })
  expect(await readFile(file())).toEqual(before)
})

test('one of the first version keeps its runs and proofs, as runs of one attempt', async () => {
  const old = new DatabaseSync(file())
  old.exec(`
    CREATE TABLE run (
      id TEXT PRIMARY KEY, operation TEXT NOT NULL, source TEXT, repository TEXT, started_at TEXT NOT NULL,
      finished_at TEXT NOT NULL, outcome TEXT NOT NULL, snapshot TEXT, statistics TEXT NOT NULL, findings TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX run_by_start ON run (started_at);
    CREATE TABLE proof (
      repository_id TEXT NOT NULL, snapshot TEXT NOT NULL, strength INTEGER NOT NULL, at TEXT NOT NULL,
      PRIMARY KEY (repository_id, snapshot)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
    INSERT INTO run VALUES ('a', 'backup', 'app', 'main', '2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z', 'done',
      'f0', '{"files":3}', '[]');
    INSERT INTO proof VALUES ('r', 'f0', 2, '2026-01-02T00:00:00.000Z')`)
  old.close()
  const opened = await open()
  const [startedAt, finishedAt] = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-01T00:01:00Z')]
  expect(await opened.listRuns({ limit: 9 })).toMatchObject([
    {
      id: 'a',
      startedAt,
      end: { outcome: 'done', finishedAt },
      attempts: [{ source: 'app', repository: 'main', snapshot: 'f0', statistics: { files: 3 } }],
    },
  ])
  expect((await opened.listProofs('r')).get('f0')?.proof).toBe('restored')
  await opened.endRun('a', { outcome: 'failed', finishedAt, findings: [] })
  expect(await opened.listRuns({ limit: 9 })).toMatchObject([{ end: { outcome: 'failed' } }])
  expect(findings).toEqual([])
})

test('several processes write at once', async () => {
  const script = `
    const { openSqliteCatalog } = await import(${JSON.stringify(join(import.meta.dirname, 'sqlite-catalog.ts'))})
    const catalog = await openSqliteCatalog(process.argv[1], () => process.exit(9))
    for (let i = 0; i < 25; i++) await catalog.saveProofs('r', [process.argv[2] + i], 'checked', new Date())
    await catalog.close()`
  const args = (name: string): string[] => ['--input-type=module', '-e', script, place, name]
  await Promise.all(['a', 'b'].map(name => promisify(execFile)(process.execPath, args(name))))
  expect((await (await open()).listProofs('r')).size).toBe(50)
})
