import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AZURE_ACCOUNT, AZURE_KEY, describeWithAzure, startAzureServer } from '../helpers/azure-server.ts'
import { describeWithGcs, startGcsServer } from '../helpers/gcs-server.ts'
import { type CommandResult, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

/** One that is planted: it must be in nothing that is printed. */
const PASSWORD = 'planted password of a far repository'

interface Far {
  readonly url: string
  /** Of the configuration, beside the URL. */
  readonly settings: string
  readonly environment: Readonly<Record<string, string>>
  readonly secrets: readonly string[]
}

function testFarStorage(far: () => Far): void {
  test('from init to a restore on a new machine', { timeout: 300_000 }, async () => {
    const { url, settings, environment, secrets } = far()
    const folder = makeTempDir()
    const env = { ...environment, LIFEBOAT_PASSWORD: PASSWORD, XDG_STATE_HOME: join(folder, 'state') }
    const shop = join(folder, 'shop.db')
    const config = `repositories:\n  far: { url: "${url}", passwordEnv: LIFEBOAT_PASSWORD${settings} }\nsources:\n  shop: { kind: sqlite, path: ./shop.db }\n`
    writeFileSync(join(folder, 'lifeboat.yaml'), config)
    write(shop, 1000)
    const printed: string[] = []
    const run = async (cwd: string, ...words: string[]): Promise<CommandResult> => {
      const result = await runLifeboat(words, { cwd, env })
      printed.push(result.stdout, result.stderr)
      return result
    }
    const must = async (...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(folder, ...words)
      expect([words[0], code, stderr]).toEqual([words[0], 0, stderr])
      return stdout
    }
    expect(await run(folder, 'backup')).toMatchObject({ code: 10 })
    await must('init', '--yes')
    await must('backup')
    write(shop, 1)
    await must('backup')
    const kept = JSON.parse(await must('snapshots', '--json')) as Array<{ id: string }>
    expect(kept).toHaveLength(2)
    await must('check', '--read-data')
    await must('forget', '--keep-last', '1', '--prune')
    expect(JSON.parse(await must('snapshots', '--json'))).toMatchObject([{ id: kept[1]?.id }])
    write(shop, 5)
    await must('restore', 'shop', '--yes')
    expect(count(shop)).toBe(1001)
    await must('undo', '--yes')
    expect(count(shop)).toBe(1006)
    // A new machine has the URL, the password and the keys, and nothing else.
    const machine = join(folder, 'new')
    mkdirSync(machine)
    if (settings === '') {
      const back = await run(machine, 'restore', 'shop', '--to', './back.db', '--repo', url)
      expect([back.code, back.stderr]).toEqual([0, back.stderr])
      expect(count(join(machine, 'back.db'))).toBe(1001)
    }
    expect(secrets.filter(secret => printed.some(text => text.includes(secret)))).toEqual([])
  })
}

/** Adds rows. */
function write(path: string, rows: number): void {
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, note TEXT)')
  const insert = database.prepare('INSERT INTO orders (note) VALUES (?)')
  for (let row = 0; row < rows; row++) insert.run(`order ${row} `.repeat(50))
  database.close()
}

function count(path: string): unknown {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    return database.prepare('SELECT count(*) AS n FROM orders').get()?.['n']
  } finally {
    database.close()
  }
}

describeWithGcs('a repository in Google Cloud Storage', () => {
  let server: Awaited<ReturnType<typeof startGcsServer>>
  beforeAll(async () => {
    server = await startGcsServer()
    await server.createBucket('backups')
  })
  afterAll(() => server.close())

  testFarStorage(() => ({
    url: 'gs:backups:/shop',
    settings: '',
    environment: { STORAGE_EMULATOR_HOST: `127.0.0.1:${server.port}`, GOOGLE_ACCESS_TOKEN: 'planted-google-token' },
    secrets: [PASSWORD, 'planted-google-token'],
  }))
})

describeWithAzure('a repository in Azure', () => {
  let server: Awaited<ReturnType<typeof startAzureServer>>
  beforeAll(async () => {
    server = await startAzureServer()
    await server.createContainer('backups')
  })
  afterAll(() => server.close())

  testFarStorage(() => ({
    url: 'azure:backups:/shop',
    settings: `, storage: { endpoint: "${server.endpoint}" }`,
    environment: { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_KEY: AZURE_KEY },
    secrets: [PASSWORD, AZURE_KEY],
  }))
})
