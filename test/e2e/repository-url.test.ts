import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type CommandResult, lifeboat, runLifeboat } from '../helpers/spawn.ts'

let folder = ''
let app = ''
let empty = ''
let env: Record<string, string | undefined> = {}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-url-'))
  app = join(folder, 'app')
  empty = join(folder, 'empty')
  mkdirSync(app)
  mkdirSync(empty)
  const database = new DatabaseSync(join(app, 'shop.db'))
  database.exec('CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2)')
  database.close()
  await lifeboat(['init', '--yes'], { cwd: app })
  const config = readFileSync(join(app, 'lifeboat.yaml'), 'utf8')
  const hook = '    restore: { before: { command: [./stop, --token=hunter2] } }'
  writeFileSync(join(app, 'lifeboat.yaml'), config.replace('./shop.db\n', `./shop.db\n${hook}\n`))
  await lifeboat(['backup'], { cwd: app })
  mkdirSync(join(empty, 'home'))
  env = {
    HOME: join(empty, 'home'),
    XDG_STATE_HOME: undefined,
    LIFEBOAT_PASSWORD: undefined,
    LIFEBOAT_PASSWORD_FILE: join(app, '.lifeboat/password'),
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (words: string[], more: Record<string, string | undefined> = {}): Promise<CommandResult> =>
  runLifeboat([...words, '--repo', join(app, 'backups')], { cwd: empty, env: { ...env, ...more } })

const rows = (): unknown => {
  const database = new DatabaseSync(join(empty, 'back.db'), { readOnly: true })
  try {
    return database.prepare('SELECT count(*) AS n FROM orders').get()
  } finally {
    database.close()
  }
}

test('a repository is used by its URL alone, from looking into it to undoing a restore', {
  timeout: 180_000,
}, async () => {
  const listed = JSON.parse((await run(['snapshots', '--json'])).stdout) as Array<{
    shortId: string
    repository: string
  }>
  expect(listed).toMatchObject([{ repository: join(app, 'backups') }])
  const id = listed[0]?.shortId ?? ''
  for (const words of [['ls', id], ['cat', id, 'shop.db'], ['check'], ['verify', id], ['key', 'list'], ['prune']]) {
    expect(await run(words), words.join(' ')).toMatchObject({ code: 0 })
  }
  const kept = await run(['cat', id, '/.lifeboat/lifeboat.yaml'])
  expect(kept.stdout).toContain('# Kept by Lifeboat in repository main,')
  expect(kept.stdout).toContain('passwordFile: ./.lifeboat/password')
  expect(await run(['restore', 'app', '--to', './back.db'])).toMatchObject({ code: 0 })
  expect(rows()).toEqual({ n: 2 })
  const database = new DatabaseSync(join(empty, 'back.db'))
  database.exec('INSERT INTO orders VALUES (3)')
  database.close()
  const again = await run(['restore', 'app', '--to', './back.db', '--yes'])
  expect(rows()).toEqual({ n: 2 })
  // What it says is all that is to be typed.
  const undo = /put it back with: lifeboat (undo .*)/.exec(again.stdout)?.[1]?.split(' ') ?? []
  expect(undo).toContain('--repo')
  expect(await runLifeboat([...undo, '--yes'], { cwd: empty, env })).toMatchObject({ code: 0 })
  expect(rows()).toEqual({ n: 3 })
  expect(statSync(join(empty, 'home/.local/state/lifeboat')).mode & 0o777).toBe(0o700)
  expect(await run(['forget', id, '--dry-run'])).toMatchObject({ code: 0 })
})

test('what is missing is said, with what to type', async () => {
  const failed = async (words: string[], more = {}): Promise<string> => (await run(words, more)).stderr
  expect(await failed(['snapshots'], { LIFEBOAT_PASSWORD_FILE: undefined })).toContain('Set LIFEBOAT_PASSWORD_FILE')
  expect(await failed(['snapshots'], { LIFEBOAT_PASSWORD: 'x' })).toContain('unset LIFEBOAT_PASSWORD')
  expect(await failed(['snapshots'], { LIFEBOAT_PASSWORD_FILE: undefined, LIFEBOAT_PASSWORD: 'x' })).toContain(
    'password',
  )
  expect(await failed(['restore', 'app'])).toContain('--to PATH')
  expect(await failed(['backup'])).toContain('lifeboat init')
  const named = await runLifeboat(['snapshots', '--repo', 'backups'], { cwd: app })
  expect(named.stderr).toContain('./backups')
  const none = await runLifeboat(['snapshots'], { cwd: empty, env })
  expect(none.stderr).toContain('--repo')
})

test('init --from brings the configuration back on a new machine, with nothing in it that runs', async () => {
  const fresh = join(folder, 'fresh')
  mkdirSync(fresh)
  const options = { cwd: fresh, env }
  const from = join(app, 'backups')
  const back = JSON.parse(await lifeboat(['init', '--from', from, '--json'], options)) as unknown
  expect(back).toMatchObject({
    configCreated: true,
    from: {
      repository: 'main',
      leftOut: [
        { key: 'sources.app.restore.before', value: { command: ['./stop', expect.stringMatching(/REMOVED/)] } },
      ],
      missing: { variables: [], files: [] },
    },
  })
  const written = readFileSync(join(fresh, 'lifeboat.yaml'), 'utf8')
  expect(written).not.toContain('hunter2')
  expect(written.replace(/^#.*$/gm, '')).not.toContain('./stop')
  // It works as it is, and is not replaced.
  expect(await lifeboat(['snapshots', 'app'], options)).toContain('sqlite')
  await lifeboat(['restore', 'app', '--yes'], options)
  expect(statSync(join(fresh, 'shop.db')).size).toBeGreaterThan(0)
  const again = await runLifeboat(['init', '--from', from], options)
  expect(again.stderr).toContain('exists already, and is left as it is')
  expect(readFileSync(join(fresh, 'lifeboat.yaml'), 'utf8')).toBe(written)
  const elsewhere = await runLifeboat(['init', '--from', from, '--host', 'nix', '--config', './x.yaml'], options)
  expect(elsewhere.stderr).toContain('nothing there is of host nix')
})

test('init creates a repository by its URL alone, and a backup can go to it beside the configured ones', async () => {
  const password = join(empty, 'new.password')
  const options = { cwd: empty, env: { ...env, LIFEBOAT_PASSWORD_FILE: password } }
  const created = JSON.parse(await lifeboat(['init', '--repo', './second', '--json'], options)) as unknown
  const place = join(empty, 'second')
  expect(created).toMatchObject({ config: null, repositories: [{ name: place, created: true, passwordCreated: true }] })
  expect(readFileSync(password, 'utf8')).toMatch(/^\S{43}\n$/)
  const inApp = { cwd: app, env: { ...env, LIFEBOAT_PASSWORD_FILE: password } }
  await lifeboat(['backup', 'app', '--repo', place], inApp)
  expect(await lifeboat(['snapshots', 'app', '--repo', './second'], options)).toContain('1 snapshot')
  // One that is configured at this place needs no password beside its own.
  writeFileSync(password, 'wrong')
  expect(await lifeboat(['snapshots', '--repo', './backups'], inApp)).toContain('sqlite')
})
