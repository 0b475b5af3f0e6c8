import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { documentedOutput } from '../helpers/json-output.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { type CommandResult, type RunningCommand, startLifeboat } from '../helpers/spawn.ts'
import { Workspace } from '../helpers/workspace.ts'

const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1e12)'

describeWithPostgres('query of a PostgreSQL source', () => {
  let test: TestCluster
  let workspace: Workspace
  /** Where the commands put what is temporary; short, for there is a socket in it. */
  let temporary = ''

  beforeAll(async () => {
    test = await startTestCluster()
    await test.createDatabase('shop')
    await test.query(
      'shop',
      `CREATE TABLE users (id bigint PRIMARY KEY, email text, note text, photo bytea);
       INSERT INTO users VALUES (1, 'ann@acme.io', 'a, b', '\\xc0ffee'), (9007199254740993, NULL, '', NULL)`,
    )
    temporary = mkdtempSync(join(tmpdir(), 'lb-q-'))
    // The server may run as another user.
    chmodSync(temporary, 0o755)
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-pg-')))
    mkdirSync(workspace.path('masks'))
    writeFileSync(
      workspace.path('masks', 'mask.yaml'),
      'seed: s\ntables:\n  users: { email: email, note: keep, photo: keep }\n',
    )
    const masked = 'restore: { mask: ./masks/mask.yaml }'
    const shop = `kind: postgres, url: "${test.url('shop')}"`
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      `repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n  shop: { ${shop} }\n  masked: { ${shop}, ${masked} }\n`,
    )
    await workspace.run('init', '--yes')
    await workspace.run('backup')
    await test.query('shop', 'DELETE FROM users')
  }, 120_000)
  afterAll(async () => {
    await test.close()
    for (const dir of [workspace.dir, temporary]) rmSync(dir, { recursive: true, force: true })
  })

  const start = (...args: string[]): RunningCommand =>
    startLifeboat(['--config', workspace.path('lifeboat.yaml'), 'query', ...args], {
      cwd: workspace.dir,
      env: { TMPDIR: temporary },
    })
  const query = async (...args: string[]): Promise<CommandResult> => await start(...args).result
  const copies = (): string[] => readdirSync(temporary).filter(name => name.startsWith('lifeboat-query-'))
  /** Of the server that a query is run in, when it can be asked. */
  const serverOf = (): number => {
    try {
      const [copy = ''] = copies()
      const lines = readFileSync(join(temporary, copy, 'data', 'postmaster.pid'), 'utf8').split('\n')
      return lines[7]?.startsWith('ready') === true && readdirSync(join(temporary, copy)).includes('reader.conf')
        ? Number(lines[0])
        : 0
    } catch {
      return 0
    }
  }
  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  it('prints the rows as a table, as CSV and as JSON, and leaves nothing behind', async () => {
    const table = await query('shop', 'SELECT id, note FROM users ORDER BY id')
    expect(table.stdout).toMatch(
      /^ +id  note\n +1  a, b\n9007199254740993\n2 rows, shop of .* \(snapshot [0-9a-f]{8} in main\)\n$/,
    )
    const csv = await query('shop', 'latest', 'SELECT * FROM users ORDER BY id', '--csv', '--limit', '1')
    expect(csv.stdout).toMatch(/^id,email,note,photo\n1,ann@acme.io,"a, b",c0ffee\n$/)
    expect(csv.stderr).toContain('There are more rows than these 1. Add --limit')
    const { stdout } = await query('shop', 'SELECT id, photo FROM users ORDER BY id', '--json')
    expect(documentedOutput('query', stdout)).toMatchObject({
      masked: false,
      columns: ['id', 'photo'],
      rows: [
        [1, Buffer.from('c0ffee', 'hex').toString('base64')],
        ['9007199254740993', null],
      ],
      more: false,
    })
    expect(copies()).toEqual([])
  })

  it('refuses what writes, and what is not there, and leaves nothing behind', async () => {
    const refused = await query('shop', 'DELETE FROM users')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('the query failed: syntax error')])
    const late = await query('shop', ENDLESS, '--timeout', '1s')
    expect([late.code, late.stderr]).toEqual([1, expect.stringContaining('no answer within 1.0 s')])
    const other = await query('shop', 'SELECT 1', '--database', 'other')
    expect([other.code, other.stderr]).toEqual([expect.any(Number), expect.stringContaining('It holds: shop.')])
    expect(copies()).toEqual([])
  })

  it('asks a masked copy where the test copies of the source are masked', async () => {
    const { stdout } = await query('masked', 'SELECT email, note FROM users ORDER BY id', '--json')
    expect(documentedOutput('query', stdout)).toMatchObject({
      masked: true,
      rows: [
        [expect.stringMatching(/@example\.com$/), 'a, b'],
        [null, ''],
      ],
    })
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves no server and no copy behind after %s', async signal => {
    const running = start('shop', ENDLESS)
    await expect.poll(serverOf, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0)
    const server = serverOf()
    running.child.kill(signal)
    await running.result
    await expect.poll(() => [isAlive(server), copies()], { timeout: 12_000, interval: 20 }).toEqual([false, []])
    expect(readdirSync(temporary)).toEqual([])
  })
})
