import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { Workspace } from '../helpers/workspace.ts'

interface RowDiffJson {
  readonly same: boolean
  readonly masked: boolean
  readonly after: unknown
  readonly tables: ReadonlyArray<{ readonly table: string; readonly listed?: unknown }>
}

describe('diff of rows', { timeout: 120_000 }, () => {
  let workspace: Workspace
  let first = ''

  beforeAll(async () => {
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-diff-')))
    workspace.change(`PRAGMA journal_mode = WAL;
      CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, note TEXT);
      CREATE TABLE log (line TEXT);
      INSERT INTO users VALUES (1, 'ann@x', 'a'), (2, 'bob@x', NULL), (3, 'cyd@x', '');
      INSERT INTO log VALUES ('in')`)
    await workspace.run('init', '--yes')
    first = await workspace.backup('app')
    workspace.change(`UPDATE users SET email = upper(email); DELETE FROM users WHERE id = 3;
      INSERT INTO users VALUES (4, 'dan@x', NULL)`)
  }, 120_000)
  afterAll(() => rmSync(workspace.dir, { recursive: true, force: true }))

  const diff = async (...args: string[]): Promise<RowDiffJson> => {
    const json = await workspace.json<RowDiffJson>('diff', ...args)
    JSON_OUTPUTS['diff']?.parse(json)
    return json
  }
  const hashOf = (): string => createHash('sha256').update(readFileSync(workspace.database)).digest('hex')

  test('compares the newest recovery point with what is live, and leaves nothing behind', async () => {
    const live = hashOf()
    expect(await workspace.run('diff', 'app')).toMatch(
      /^app: .* \(snapshot [0-9a-f]{8} in main\) and what is live\ntable  rows then  rows now  only then  only now  changed\nusers {10}3 {9}3 {10}1 {9}1 {8}2\n1 table without a difference\.\n$/,
    )
    expect(hashOf()).toBe(live)
    expect(readdirSync(workspace.path('.lifeboat/tmp'))).toEqual([])
    const json = await diff('app')
    expect(json).toMatchObject({ same: false, after: null, before: { snapshot: first } })
    expect(await diff(first, 'now')).toEqual(json)
  })

  test('lists the rows of a table side by side, no more than asked for', async () => {
    const text = await workspace.run('diff', 'app', first.slice(0, 8), '--table', 'users', '--limit', '1')
    expect(text).toContain('changed users id 1\n  column  then   now\n  email   ann@x  ANN@X\n')
    expect(text).toContain("only then users id 3\n  column  then\n  email   cyd@x\n  note    ''\n")
    expect(text).toContain('only now users id 4\n  column  now\n  email   dan@x\n  note    NULL\n')
    expect(text).toContain('and of users 1 changed; --limit lists more\n')
    const json = await diff('app', '--table', 'users', '--limit', '1')
    expect(json.tables.map(({ table }) => table)).toEqual(['users'])
    expect(json.tables[0]?.listed).toHaveLength(3)
  })

  test('compares two recovery points, and their files where a path is given', async () => {
    const second = await workspace.backup('app')
    expect(await diff(first, second)).toMatchObject({ same: false, before: { snapshot: first } })
    expect(await diff('app', second)).toMatchObject({ same: true })
    expect(await workspace.run('diff', 'app', second, 'now')).toContain('No difference in 2 tables.\n')
    expect(await workspace.run('diff', first, second, 'app.db')).toContain('M app.db')
  })

  test('says before a restore how many rows it would change', async () => {
    workspace.change('DELETE FROM log')
    const titles = ['', 'now', 'then', 'only now', 'only then', 'changed']
    const dry = await workspace.json<{ tables: [{ columns: { name: string }[]; rows: string[][] }] }>(
      'restore',
      'app',
      first,
      '--dry-run',
    )
    expect(dry.tables[0].columns.map(({ name }) => name)).toEqual(titles)
    expect(dry.tables[0].rows.slice(1)).toEqual([
      ['rows of log', '0', '1', '', '1', ''],
      ['rows of users', '3', '3', '1', '1', '2'],
    ])
    await workspace.run('restore', 'app', first, '--dry-run', '--report', workspace.path('plan.html'))
    expect(readFileSync(workspace.path('plan.html'), 'utf8')).toContain('only now')
  })

  test('hides what a mask of the source does not keep', async () => {
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    writeFileSync(workspace.path('mask.yaml'), 'seed: s\ntables:\n  users: { id: keep, email: email }\n')
    const masking = config.replace('./app.db }', './app.db, restore: { mask: ./mask.yaml } }')
    writeFileSync(workspace.path('lifeboat.yaml'), masking)
    const json = await diff('app', first, '--table', 'users')
    expect(json.masked).toBe(true)
    expect(JSON.stringify(json)).not.toMatch(/ann@x|cyd@x|dan@x/i)
    expect(json.tables[0]?.listed).toContainEqual({
      change: 'changed',
      key: [{ column: 'id', value: '1' }],
      columns: [{ column: 'email', before: '(masked)', after: '(masked)' }],
    })
    writeFileSync(workspace.path('lifeboat.yaml'), config)
  })

  test.each([
    [['3f2a'], 2, '3f2a is no source, and there is nothing to compare it with'],
    [['now', 'now'], 2, 'now is compared with now'],
    [['app', '--table', 'user'], 1, 'there is no table user on either side\nDid you mean users?'],
    [['app', '--limit', '3'], 2, '--limit goes with --table'],
    [['app', '--table', 'users', '--limit', 'x'], 2, '--limit cannot be "x"'],
    [['latest', 'now', 'app.db', '--source', 'app'], 2, 'the path app.db does not go with rows'],
    [['app', '--metadata'], 2, '--metadata does not go with rows'],
  ])('refuses %j', async (args, code, message) => {
    const result = await workspace.try('diff', ...args)
    expect([result.code, result.stderr]).toEqual([code, expect.stringContaining(message)])
  })
})
