import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runTool } from '../../src/clients/postgres/index.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { describeWithPostgres, type TestCluster } from '../helpers/postgres-cluster.ts'
import { SampleServers, stateOf } from '../helpers/postgres-samples.ts'
import { skipRestic } from '../helpers/restic.ts'

import { Workspace } from '../helpers/workspace.ts'

const SECRET = 'pl4nted-s3cret'

/** Held by the sample; the command asks the restored copy by its URL alone. */
const ASSERTIONS = [
  '{ sql: "SELECT count(*) FROM film;", equals: 1000 }',
  '{ sql: "SELECT current_setting(\'transaction_read_only\')::bool", equals: true }',
  `{ command: [sh, -c, 'psql -X -v ON_ERROR_STOP=1 -c "SELECT 1 / count(*) FROM film" "$LIFEBOAT_RESTORED_URL"'] }`,
].join(', ')

/** The sample's payments have no key. */
const MERGE = Array.from({ length: 6 }, (_, month) => `payment_p2007_0${month + 1}: { skip: true }`)
  .concat('payment: { skip: true }')
  .join(', ')

describeWithPostgres('databases, from the command line', () => {
  let servers: SampleServers
  let test: TestCluster
  let workspace: Workspace

  beforeAll(async () => {
    servers = await SampleServers.start(['sakila'])
    test = servers.test
    await test.query('postgres', `CREATE ROLE app LOGIN SUPERUSER PASSWORD '${SECRET}'`)
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-pg-')))
    writeFileSync(join(workspace.dir, 'secret'), `${SECRET}\n`, { mode: 0o600 })
    const url = test.url('sakila').replace('postgres@', 'app@')
    writeFileSync(
      join(workspace.dir, 'lifeboat.yaml'),
      `repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n` +
        `  shop: { kind: postgres, url: "${url}", passwordFile: ./secret, assertions: [${ASSERTIONS}], restore: { merge: { tables: { ${MERGE} } } } }\n` +
        `  gone: { kind: postgres, url: "${url.replace('/sakila', '/nowhere')}", passwordFile: ./secret }\n`,
    )
  })
  afterAll(async () => {
    await servers.close()
    rmSync(workspace.dir, { recursive: true, force: true })
  })

  const json = async (command: string, ...args: string[]): Promise<unknown> => {
    const result = await workspace.try(command, ...args, '--json')
    expect(result.code, result.stderr).toBe(0)
    expect(result.stdout + result.stderr).not.toContain(SECRET)
    return documentedOutput(command, result.stdout)
  }

  it('goes from a first look to a proven backup, and back in every way', async () => {
    await json('init', '--yes')
    expect(await json('probe', 'shop')).toMatchObject({ ready: true })
    expect(await json('backup', 'shop')).toMatchObject({ sources: [{ complete: true, findings: [] }] })
    expect(await json('verify', 'shop')).toMatchObject({ passed: true, verified: [{ proof: 'checked' }] })
    const proven = await json('verify', 'shop', '--level', 'restored')
    expect(proven).toMatchObject({ passed: true, verified: [{ proof: 'restored' }] })
    const { checks } = (proven as { verified: [{ checks: { name: string; found: string }[] }] }).verified[0]
    const asserted = checks.filter(({ name }) => name.startsWith('assertion')).map(({ found }) => found)
    expect(asserted).toEqual(['1000', 'true', 'exit code 0'])
    expect(await json('snapshots', 'shop')).toMatchObject([{ proof: 'restored' }])
    const before = await stateOf(test, 'sakila')
    expect(await json('query', 'shop', 'SELECT count(*) FROM film_list')).toMatchObject({ rows: [[997]] })

    await json('restore', 'shop', '--to', 'postgres:///copy')
    expect(await stateOf(test, 'copy')).toEqual(before)

    await test.query('sakila', 'DROP TABLE film CASCADE')
    await json('restore', 'shop', '--table', 'film', '--yes')
    expect(await stateOf(test, 'sakila')).toEqual(before)

    await test.query('sakila', 'DROP SCHEMA public CASCADE')
    const refused = await workspace.try('restore', 'shop', '--json')
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'target-exists' } })
    const emptied = await stateOf(test, 'sakila')
    const replaced = await json('restore', 'shop', '--yes', '--verify')
    const { kept, run } = replaced as { kept: { kept: string }[]; run: string }
    expect(kept).toEqual([{ target: 'sakila', kept: `sakila_before_${run.slice(0, 8)}` }])
    expect(await stateOf(test, 'sakila')).toEqual(before)

    await json('undo', '--yes')
    expect(await stateOf(test, 'sakila')).toEqual(emptied)
    const undone = (await json('undo', '--list')) as { run: string; operation: string }[]
    await json('undo', undone.at(-1)?.run ?? '', '--yes')
    expect(await stateOf(test, 'sakila')).toEqual(before)
  })

  it('leaves nothing of a temporary copy', async () => {
    const databases = async (): Promise<unknown> =>
      await test.query('postgres', 'SELECT datname FROM pg_database ORDER BY 1')
    const before = await databases()
    expect(await json('restore', 'shop', '--target', 'test')).toMatchObject({ removed: true })
    expect(await databases()).toEqual(before)
  })

  it('makes no snapshot of a database that is not there', async () => {
    const failed = await workspace.try('backup', 'gone', '--json')
    expect(failed.code).toBe(20)
    expect(failed.stdout + failed.stderr).toContain('there is no database nowhere')
    expect(failed.stdout + failed.stderr).not.toContain(SECRET)
    expect(await json('snapshots', 'gone')).toEqual([])
  })

  it.skipIf(skipRestic)('is read by restic and pg_restore without us', async () => {
    await workspace.restic.run('check', '--read-data')
    const target = join(workspace.dir, 'by-restic')
    // Not `latest`: to restic that is the safety recovery point of a restore as well.
    const [first] = (await json('snapshots', 'shop')) as { id: string }[]
    await workspace.restic.run('restore', first?.id ?? '', '--target', target)
    expect(readdirSync(join(target, 'shop')).toSorted()).toEqual([
      'RESTORE.txt',
      'globals.sql',
      'sakila.dump',
      'sakila.schema.sql',
    ])
    await servers.other.query('postgres', 'CREATE DATABASE by_hand TEMPLATE template0')
    const args = ['--exit-on-error', '--dbname=by_hand', join(target, 'shop', 'sakila.dump')]
    const settings = servers.other.admin
    await runTool(test.tools, { tool: 'pg_restore', args, settings }, 'restore by hand')
    expect(await stateOf(servers.other, 'by_hand')).toEqual(await stateOf(test, 'sakila'))
  })

  it('adds what is missing, keeps what is there, and takes that back', async () => {
    await test.query('sakila', 'DELETE FROM film_actor; UPDATE country SET country = upper(country)')
    await test.query('sakila', "INSERT INTO country (country) VALUES ('Atlantis')")
    const now = await stateOf(test, 'sakila')
    const rows = (await test.query<{ n: string }>('sakila', 'SELECT count(*) AS n FROM film_actor'))[0]?.n
    const plan = await json('restore', 'shop', '--strategy', 'merge', '--dry-run')
    expect([await stateOf(test, 'sakila'), rows]).toEqual([now, '0'])
    const merged = (await json('restore', 'shop', '--strategy', 'merge', '--yes')) as Record<string, unknown>
    expect(merged).toMatchObject({ tables: (plan as { tables: unknown }).tables, changed: true })
    const countries = await test.query(
      'sakila',
      'SELECT count(*)::int AS n FROM country WHERE country = upper(country)',
    )
    expect(countries).toEqual([{ n: 109 }])
    expect(await json('restore', 'shop', '--strategy', 'merge', '--yes')).toMatchObject({ changed: false })
    await json('undo', String(merged['run']), '--yes')
    expect(await stateOf(test, 'sakila')).toEqual(now)
  })

  // The last one, for it damages the repository.
  it('says that the repository is damaged, not that the dump is', async () => {
    const folder = join(workspace.repository, 'data')
    const packs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name))
    const files = packs.filter(name => statSync(name).isFile())
    // Which of the packs has the newest dump in its middle depends on the random numbers of the chunker.
    const flip = (file: string): void => {
      const bytes = readFileSync(file)
      const at = Math.floor(bytes.length / 2)
      bytes[at] = (bytes[at] ?? 0) ^ 1
      writeFileSync(file, bytes)
    }
    for (const file of files.toSorted((a, b) => statSync(b).size - statSync(a).size)) {
      flip(file)
      if ((await workspace.try('verify', 'shop')).code === 22) break
      flip(file)
    }
    for (const level of ['checked', 'restored']) {
      const result = await workspace.try('verify', 'shop', '--level', level, '--json')
      expect(result.code, result.stderr).toBe(22)
      const findings = [{ code: 'file-damaged', subject: 'sakila.dump' }]
      expect(JSON.parse(result.stdout)).toMatchObject({ passed: false, verified: [{ damaged: true, findings }] })
    }
    const [first] = (await json('snapshots', 'shop')) as { proof: string }[]
    expect(first).toMatchObject({ proof: 'failed' })
  })
})
