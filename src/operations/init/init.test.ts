import { access, chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { systemRandom } from '../../base/random.ts'
import { SOURCES } from '../../sources/registry.ts'
import { discover } from './discovery.ts'
import { createConfig, createMissingRepositories, ignoreInGit } from './init.ts'
import { proposeConfig } from './proposal.ts'

const SECRET = 'hunter2hunter2'
const signal = new AbortController().signal
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-init-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const place = (path: string): string => join(folder, path)

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(place(path)), { recursive: true })
  await writeFile(place(path), text)
}

async function putDatabase(path: string): Promise<void> {
  await mkdir(dirname(place(path)), { recursive: true })
  const database = new DatabaseSync(place(path))
  database.exec('CREATE TABLE t (a)')
  database.close()
}

async function look(environment: Record<string, string> = {}) {
  const discovery = await discover({ folder, environment, kinds: SOURCES, signal })
  const text = proposeConfig({
    repositoryUrl: './backups',
    passwordFile: './.lifeboat/password',
    discovery,
    examples: SOURCES.map(({ example }) => example),
    schema: undefined,
  })
  return { discovery, text, config: parse(text) as Record<string, unknown> }
}

describe('looking around', () => {
  test('finds databases by their header, whatever their name, not in caches or packages', async () => {
    await putDatabase('data/shop.bin')
    await putDatabase('prisma/dev.db')
    for (const hidden of ['node_modules/x/a.db', '.cache/b.db', 'backups/c.db', 'a/b/c/d/e/f/deep.db'])
      await putDatabase(hidden)
    for (const known of ['.tmp/t.db', '.n8n/database.sqlite', '.wrangler/state/v3/d1/x.sqlite'])
      await putDatabase(known)
    await put('data/fake.sqlite', 'x'.repeat(4096))
    await put('empty.db', '')
    const { discovery } = await look()
    expect(discovery.passedOver).toEqual(['.cache', 'backups', 'node_modules', 'a/b/c/d/e/f'])
    expect(discovery.sources.map(({ name, kind, options }) => [name, kind, options['path']])).toEqual([
      ['database', 'sqlite', './.n8n/database.sqlite'],
      ['t', 'sqlite', './.tmp/t.db'],
      ['shop', 'sqlite', './data/shop.bin'],
      ['dev', 'sqlite', './prisma/dev.db'],
      ['x', 'sqlite', './.wrangler/state/v3/d1/x.sqlite'],
    ])
  })

  test('finds upload folders that hold something', async () => {
    await put('public/uploads/a.png', 'x')
    await put('media/.gitkeep', '')
    await put('storage/app/x', 'x')
    const { config } = await look()
    expect(config.sources).toEqual({
      uploads: { kind: 'files', path: './public/uploads' },
      storage: { kind: 'files', path: './storage/app' },
    })
  })

  test('follows DATABASE_URL and a Prisma schema to a file', async () => {
    await putDatabase('prisma/.hidden/app.db')
    await put('prisma/schema.prisma', 'datasource db {\n provider = "sqlite"\n url = env("DATABASE_URL")\n}\n')
    await put('.env', `# DATABASE_URL=postgres://no\nexport DATABASE_URL="file:./.hidden/app.db?connection_limit=1"\n`)
    const { discovery } = await look()
    expect(discovery.sources).toEqual([
      { name: 'app', kind: 'sqlite', why: 'a SQLite database', options: { path: './prisma/.hidden/app.db' } },
    ])
    expect(discovery.others).toEqual([])
  })

  test('tells honestly of what it cannot protect yet, and never a value', async () => {
    await put(
      '.env',
      `DATABASE_URL='postgresql://u:${SECRET}@h/db'\nREDIS_URL=redis://:${SECRET}@h\nAPI_URL=postgres://x\n`,
    )
    await put('prisma/schema.prisma', `datasource db {\n provider = "mysql"\n url = "mysql://u:${SECRET}@h/db"\n}\n`)
    await put(
      'wrangler.toml',
      '[[d1_databases]]\ndatabase_name = "prod"\n[[env.x.kv_namespaces]]\nbinding = "KV"\n[vars]\nbinding = "no"\n',
    )
    await put('compose.yaml', 'services:\n  db: { image: "docker.io/library/postgres:16" }\n  web: { image: nginx }\n')
    const { discovery, text } = await look({ SHOP_DATABASE_URL: `mongodb+srv://u:${SECRET}@h` })
    expect(discovery.others.map(({ what, where, planned }) => `${what} / ${where} / ${planned}`)).toEqual([
      'a MongoDB database / SHOP_DATABASE_URL in the environment / false',
      'a Redis database / REDIS_URL in .env / false',
      'a MySQL database / prisma/schema.prisma / false',
      'the Cloudflare D1 database prod / wrangler.toml / true',
      'the Cloudflare KV namespace KV / wrangler.toml / true',
      'a PostgreSQL server / service db in compose.yaml / false',
    ])
    expect(`${JSON.stringify(discovery)}${text}`).not.toContain(SECRET)
    expect(text).toContain('# found: a Redis database (REDIS_URL in .env): not supported')
  })

  test('proposes a PostgreSQL database by the variable that holds its url', async () => {
    const { discovery, text } = await look({ DATABASE_URL: `postgres://u:${SECRET}@h/shop` })
    expect(discovery.sources).toEqual([
      { name: 'db', kind: 'postgres', why: 'a PostgreSQL database', options: { url: '${DATABASE_URL}' } },
    ])
    expect(text).toContain('    kind: postgres\n    url: ${DATABASE_URL}\n')
    expect(text).not.toContain(SECRET)
    await put('.env', `DATABASE_URL=postgres://u:${SECRET}@h/shop`)
    const later = await look()
    expect(later.discovery.sources).toEqual(discovery.sources)
    expect(later.text).toContain('envFile: [./.env]\n')
    expect(later.text).not.toContain(SECRET)
  })

  test('reads wrangler.jsonc', async () => {
    await put('wrangler.jsonc', '{ // comment\n "r2_buckets": [{ "binding": "B", "bucket_name": "files" }] }')
    expect((await look()).discovery.others.map(({ what }) => what)).toEqual(['the Cloudflare R2 bucket files'])
  })

  test('survives broken files and strange names', async () => {
    await put('compose.yaml', '{{{')
    await put('wrangler.json', '[[[')
    await put('prisma/schema.prisma', 'datasource {')
    await putDatabase('we: "ird" ${X} # 名.db')
    const { config } = await look()
    expect(config.sources).toEqual({ app: { kind: 'sqlite', path: './we: "ird" $${X} # 名.db' } })
  })

  test('proposes a valid file where there is nothing', async () => {
    const { config, text } = await look()
    expect(Object.keys(config)).toEqual(['repositories'])
    for (const { kind } of SOURCES) expect(text).toContain(`kind: ${kind}`)
  })
})

describe('creating', () => {
  const created: string[] = []
  const existing = new Set<string>()
  const repository = (name: string, passwordFile = place('.lifeboat/password')) => ({
    name,
    location: name,
    passwordFile,
    exists: async () => existing.has(name),
    create: async () => {
      created.push(`${name}:${(await readFile(passwordFile, 'utf8')).trim()}`)
      existing.add(name)
      return 'id'
    },
  })
  beforeEach(() => {
    created.length = 0
    existing.clear()
  })

  test('makes a strong password only its owner can read, then the repository; the second time nothing', async () => {
    const [first] = await createMissingRepositories([repository('main')], systemRandom, signal)
    expect(first).toMatchObject({ created: true, passwordCreated: true })
    const password = await readFile(place('.lifeboat/password'), 'utf8')
    expect(password).toMatch(/^[\w-]{43}\n$/)
    expect((await stat(place('.lifeboat/password'))).mode & 0o777).toBe(0o600)
    expect((await stat(place('.lifeboat'))).mode & 0o777).toBe(0o700)
    const [again] = await createMissingRepositories([repository('main')], systemRandom, signal)
    expect(again).toMatchObject({ created: false, passwordCreated: false })
    expect([created.length, await readFile(place('.lifeboat/password'), 'utf8')]).toEqual([1, password])
  })

  test('never makes a password for a repository that exists, never replaces one that is there', async () => {
    existing.add('main')
    await createMissingRepositories([repository('main')], systemRandom, signal)
    await expect(access(place('.lifeboat/password'))).rejects.toThrow('ENOENT')
    await put('pw', 'mine\n')
    await chmod(place('pw'), 0o600)
    await createMissingRepositories([repository('new', place('pw'))], systemRandom, signal)
    expect(created).toEqual(['new:mine'])
    expect(await readFile(place('pw'), 'utf8')).toBe('mine\n')
  })

  test('never overwrites a configuration', async () => {
    await put('lifeboat.yaml', 'mine')
    await expect(createConfig(place('lifeboat.yaml'), 'other')).rejects.toMatchObject({ code: 'config-exists' })
    expect(await readFile(place('lifeboat.yaml'), 'utf8')).toBe('mine')
  })

  test('keeps state and repositories inside the folder out of git, once', async () => {
    await put('.gitignore', 'node_modules\n/backups')
    const paths = [place('.lifeboat'), place('backups'), '/elsewhere/backups', place('deep/repo')]
    expect(await ignoreInGit(folder, paths)).toEqual(['.lifeboat/', '/deep/repo/'])
    expect(await ignoreInGit(folder, paths)).toEqual([])
    expect(await readFile(place('.gitignore'), 'utf8')).toBe('node_modules\n/backups\n.lifeboat/\n/deep/repo/\n')
  })

  test.runIf(process.geteuid?.() === 0)('does without .gitignore in a folder that it may not write to', async () => {
    await chmod(folder, 0o755)
    process.seteuid?.(12_345)
    try {
      expect(await ignoreInGit(folder, [place('backups')])).toEqual([])
    } finally {
      process.seteuid?.(0)
    }
  })
})
