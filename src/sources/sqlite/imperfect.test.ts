import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type DrainedSnapshot,
  drain,
  makeContext,
  makeTempDir,
  removeDir,
} from '../../../test/helpers/drained-snapshot.ts'
import { changeSql, IMPERFECT, makeDatabase } from '../../../test/helpers/imperfect-databases.ts'
import { maskOf } from '../../../test/helpers/masks.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { RestoreOutcome, RestoreRequest } from '../source.ts'
import { SqliteSource } from './sqlite-source.ts'

/** Databases that were not sound when they were captured, or that only their application can read in full. */
let dir = ''
let path = ''

beforeEach(async () => {
  dir = await makeTempDir()
  path = join(dir, 'app.db')
})
afterEach(() => removeDir(dir))

const source = (): SqliteSource => new SqliteSource('app', { path: 'app.db' }, { baseDir: dir })

async function restore(snapshot: DrainedSnapshot, options: Partial<RestoreRequest> = {}): Promise<RestoreOutcome> {
  return await source().restore({
    ...(await makeContext(dir)),
    snapshot: snapshot.reader,
    target: join(dir, 'copy.db'),
    force: true,
    delta: false,
    checks: true,
    include: [],
    ...options,
  })
}

const ALL = IMPERFECT.map(each => each.sql).join(';')
const spoilAll = (db: DatabaseSync): void => {
  for (const { spoil } of IMPERFECT) spoil(db)
}

it.each(['WAL', 'DELETE'])('what was wrong is said by the backup and comes back: %s', async mode => {
  makeDatabase(path, `PRAGMA journal_mode = ${mode}; ${ALL}`, spoilAll)
  const snapshot = await drain(source(), dir)
  const { condition } = snapshot.manifest.database ?? {}
  expect(condition?.check).toBe('integrity_check')
  const known = (condition?.failures ?? []).map(({ kind, object }) => `${kind} ${object}`)
  expect(known.toSorted()).toEqual(IMPERFECT.map(each => each.found).toSorted())
  const said = snapshot.manifest.findings.map(({ severity, hint }) => [severity, hint])
  expect(said).toEqual(IMPERFECT.map(() => ['warning', expect.stringContaining('brings it back as it is') as string]))
  const outcome = await restore(snapshot)
  expect(readFileSync(join(dir, 'copy.db')).equals(readFileSync(snapshot.entries[0]?.file ?? ''))).toBe(true)
  expect(outcome.checks.filter(check => !check.passed)).toEqual([])
  const again = outcome.findings.map(({ severity, hint }) => [severity, hint])
  expect(again).toEqual(
    IMPERFECT.map(() => ['warning', expect.stringContaining('when the backup was taken') as string]),
  )
  await restore(snapshot, { delta: true })
})

it('comes back where nothing was recorded of it, and fails where it was recorded to be sound', async () => {
  makeDatabase(path, ALL, spoilAll)
  const snapshot = await drain(source(), dir)
  const { database } = snapshot.manifest
  if (!database) throw new Error('no database in the manifest')
  const { condition, ...older } = database
  const as = (manifest: Manifest): DrainedSnapshot => ({ ...snapshot, reader: { ...snapshot.reader, manifest } })
  const outcome = await restore(as({ ...snapshot.manifest, database: older }))
  expect(outcome.findings).toHaveLength(IMPERFECT.length)
  const quickly = { check: 'quick_check', failures: [] }
  await restore(as({ ...snapshot.manifest, database: { ...database, condition: quickly } }))
  const less = { check: 'integrity_check', failures: condition?.failures.slice(1) ?? [] }
  const error = restore(as({ ...snapshot.manifest, database: { ...database, condition: less } }))
  await expect(error).rejects.toMatchObject({
    code: 'verification-failed',
    hint: expect.stringContaining('--no-checks') as string,
  })
})

const FOLDED = `
  CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('A'), ('b');
  CREATE INDEX i ON t (fold(v)); CREATE INDEX j ON t (v) WHERE fold(v) > 'a';
  CREATE TABLE k (v TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO k VALUES ('A'), ('b');
  CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO u (v) VALUES ('A'), ('b'); CREATE INDEX u_v ON u (fold(v));
  CREATE VIEW w AS SELECT fold(v) FROM t;
  CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT fold(new.v); END`
const spoilFolded = (db: DatabaseSync): void => {
  changeSql(db, 't', 'v TEXT', "v TEXT CHECK (fold(v) <> 'z'), g TEXT AS (fold(v)) NOT NULL")
  changeSql(db, 'k', 'v TEXT', 'v TEXT COLLATE unicase')
}

it.each(['WAL', 'DELETE'])('what only the application can evaluate is information, and comes back: %s', async mode => {
  makeDatabase(path, `PRAGMA journal_mode = ${mode}; ${FOLDED}`, spoilFolded)
  const snapshot = await drain(source(), dir)
  const tables = snapshot.manifest.database?.tables ?? []
  expect(tables.map(({ name, rows }) => [name, rows])).toEqual([
    ['k', 2],
    ['t', 2],
    ['u', 2],
  ])
  const said = snapshot.manifest.findings.map(({ severity, subject }) => `${severity} ${subject}`)
  expect(said).toEqual(['info table k', 'info table t', 'info table u'])
  const outcome = await restore(snapshot)
  expect(outcome.checks.filter(check => !check.passed)).toEqual([])
  expect(outcome.findings.map(finding => finding.code)).toEqual(Array(3).fill('not-checkable'))
  expect(outcome.leftOut).toBe(false)
})

it('a database that needs its application comes back as a schema, as text, masked, and by tables', async () => {
  makeDatabase(path, FOLDED, spoilFolded)
  const snapshot = await drain(source(), dir)
  const schema = await restore(snapshot, { selection: { part: 'schema' }, target: join(dir, 'schema.db') })
  expect(schema.checks.find(check => check.name === 'schema')).toMatchObject({ passed: true })
  await restore(snapshot, { selection: { part: 'schema' }, target: join(dir, 'schema.sql') })
  expect(readFileSync(join(dir, 'schema.sql'), 'utf8')).toContain('CREATE INDEX i ON t (fold(v))')
  makeDatabase(path, 'DELETE FROM t')
  await restore(snapshot, { selection: { tables: ['t'] }, target: path })
  const outcome = await restore(snapshot, { target: join(dir, 'masked.db'), mask: maskOf({ u: { v: 'text' } }) })
  expect(outcome.leftOut).toBe(true)
  expect(outcome.findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual(
    expect.arrayContaining(['index-not-restored index u_v', 'table-not-copied table k', 'table-not-copied table t']),
  )
  const db = new DatabaseSync(join(dir, 'masked.db'), { readOnly: true })
  expect(db.prepare('SELECT count(*) AS n FROM u').get()).toEqual({ n: 2 })
  db.close()
})
