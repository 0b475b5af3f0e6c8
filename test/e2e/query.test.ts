import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Workspace } from '../helpers/workspace.ts'

describe('query', { timeout: 120_000 }, () => {
  let workspace: Workspace

  beforeAll(async () => {
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-query-')))
    workspace.change(`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, note TEXT);
      INSERT INTO users VALUES (1, 'ann@acme.io', 'a, b'), (2, NULL, ''), (3, NULL, NULL)`)
    await workspace.run('init', '--yes')
    await workspace.run('backup', 'app')
    workspace.change('DELETE FROM users')
  }, 120_000)
  afterAll(() => rmSync(workspace.dir, { recursive: true, force: true }))

  const copies = (): string[] =>
    readdirSync(workspace.path('.lifeboat/tmp'), { recursive: true, encoding: 'utf8' }).filter(name =>
      name.includes('copy.db'),
    )

  test('asks a recovery point and nothing else, and leaves nothing behind', async () => {
    const live = readFileSync(workspace.database)
    expect(await workspace.run('query', 'app', 'SELECT count(*) AS n FROM users')).toMatch(
      /^n\n3\n1 row, app of .* \(snapshot [0-9a-f]{8} in main\)\n$/,
    )
    const csv = await workspace.try('query', 'app', 'latest', 'SELECT * FROM users', '--csv', '--limit', '2')
    expect([csv.code, csv.stdout]).toEqual([0, 'id,email,note\n1,ann@acme.io,"a, b"\n2,,""\n'])
    expect(csv.stderr).toContain('There are more rows than these 2. Add --limit')
    const refused = await workspace.try('query', 'app', `ATTACH '${workspace.database}' AS live`)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('only statements that read are run')])
    const mistake = await workspace.try('query', 'app')
    expect([mistake.code, mistake.stderr]).toEqual([2, expect.stringContaining('there is no statement')])
    expect(readdirSync(workspace.path('.lifeboat/tmp'))).toEqual([])
    expect(readFileSync(workspace.database)).toEqual(live)
  })

  test('of one that was killed the copy goes with the next, which is masked as test copies are', async () => {
    const endless = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
    const running = workspace.start('query', 'app', endless)
    await expect.poll(copies, { timeout: 60_000, interval: 20 }).not.toEqual([])
    running.child.kill('SIGKILL')
    await running.result
    expect(copies()).not.toEqual([])

    writeFileSync(workspace.path('mask.yaml'), 'seed: s\ntables:\n  users: { email: email, note: keep }\n')
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    const masking = config.replace('./app.db }', './app.db, restore: { mask: ./mask.yaml } }')
    writeFileSync(workspace.path('lifeboat.yaml'), masking)
    expect(await workspace.json('query', 'app', 'SELECT id, email, note FROM users')).toMatchObject({
      masked: true,
      rows: [
        [1, expect.stringMatching(/@example\.com$/), 'a, b'],
        [2, null, ''],
        [3, null, null],
      ],
    })
    expect(readdirSync(workspace.path('.lifeboat/tmp'))).toEqual([])
  })
})
