import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type CommandResult, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { Workspace } from '../helpers/workspace.ts'

/** Each stands in one place where a secret may stand; none may ever come out. */
const SECRETS = {
  file: 'FILE-hunter2-aaaa',
  environment: 'ENV-hunter2-bbbb',
  inClear: 'CLEAR-hunter2-cccc',
  command: 'COMMAND-hunter2-dddd',
  next: 'NEXT-hunter2-eeee',
  databaseUrl: 'URL-hunter2-ffff',
}

const CONFIG = `repositories:
  file: { url: ./r1, passwordFile: ./pw }
  environment: { url: ./r2, passwordEnv: LIFEBOAT_TEST_PASSWORD }
  clear: { url: ./r3, password: ${SECRETS.inClear} }
  command: { url: ./r4, passwordCommand: [cat, ./command-pw] }
sources:
  app: { kind: sqlite, path: ./app.db }
`

const VARIABLE = '${DATABASE_URL}'

const COMMANDS: ReadonlyArray<readonly string[]> = [
  ['init', '--yes'],
  ['init', '--yes', '--to', './elsewhere'],
  ['probe'],
  ['recovery-sheet'],
  ['backup'],
  ['backup', '--repo', 'file'],
  ['backup', '--repo', 'environment'],
  ['backup', '--repo', 'clear'],
  ['backup', '--repo', 'command'],
  ['snapshots'],
  ['ls', 'app', '/', '-r'],
  ['cat', 'app', '/.lifeboat/manifest.json'],
  ...['config', 'key', 'snapshot'].map(kind => ['cat', '--object', kind, 'ID', '--repo', 'file']),
  ['find', '*'],
  ['diff', 'latest', 'latest', '--repo', 'file'],
  ['stats'],
  ['check', '--read-data'],
  ['restore', 'app', '--to', './restored.db'],
  ['restore', 'app', '--to', './restored.db'],
  ['key', 'list', '--repo', 'file'],
  ['key', 'add', '--repo', 'file', '--new-password-file', './next'],
  ['key', 'add', '--repo', 'file', '--new-password-env', 'LIFEBOAT_TEST_NEXT'],
  ['key', 'passwd', '--repo', 'environment', '--new-password-file', './next'],
  ['key', 'remove', 'ffff', '--repo', 'file'],
  ['forget', '--keep-last', '1', '--prune', '--repo', 'file'],
  ['prune', '--repo', 'clear'],
  ['unlock', '--all'],
  ['doctor'],
  ['completion', 'bash'],
  ['nonsense'],
]

test('no secret ever comes out, in text or JSON, of success or failure, nor is any kept in the state', async () => {
  const workspace = new Workspace()
  const { dir } = workspace
  const put = (name: string, text: string): void => writeFileSync(join(dir, name), text, { mode: 0o600 })
  workspace.makeDatabase(20)
  put('lifeboat.yaml', CONFIG)
  put('pw', `${SECRETS.file}\n`)
  put('command-pw', SECRETS.command)
  put('next', SECRETS.next)
  put('.env', `DATABASE_URL=postgres://u:${SECRETS.databaseUrl}@h/db\n`)
  const env = {
    LIFEBOAT_TEST_PASSWORD: SECRETS.environment,
    LIFEBOAT_TEST_NEXT: SECRETS.next,
    DATABASE_URL: `postgres://u:${SECRETS.databaseUrl}@h/db`,
  }
  const run = async (args: readonly string[]): Promise<CommandResult> => {
    const result = await runLifeboat([...args, '-vv'], { cwd: dir, env })
    for (const secret of Object.values(SECRETS)) {
      expect(`${result.stdout}${result.stderr}`.includes(secret), `${args.join(' ')} printed ${secret}`).toBe(false)
    }
    expect(result.stderr).not.toContain('bug in Lifeboat')
    return result
  }

  let done = 0
  for (const args of COMMANDS) {
    if ((await run(args)).code === 0) done++
  }
  expect(done).toBeGreaterThan(20)
  // Every password is wrong now, then gone, then the configuration is broken around it.
  put('pw', 'not it')
  for (const args of [['snapshots'], ['doctor'], ['backup', '--json']]) expect((await run(args)).code).not.toBe(0)
  rmSync(join(dir, 'pw'))
  await run(['snapshots', '--repo', 'file', '--json'])
  const broken = [
    CONFIG.replace('password: CLEAR', 'password: [CLEAR').replace('cccc }', 'cccc] }'),
    CONFIG.replace('password: CLEAR', 'pasword: CLEAR'),
    CONFIG.replace('./app.db', `./app.db, url: "postgres://u:${SECRETS.databaseUrl}@h/db"`),
    CONFIG.replace('kind: sqlite', `kind: "postgres://u:${SECRETS.databaseUrl}@h/db"`),
    CONFIG.replace('./app.db', `{ ${VARIABLE}: x }`),
    CONFIG.replace('kind: sqlite', `kind: ${VARIABLE}`),
    CONFIG.replace('url: ./r1', `url: ${VARIABLE}`),
    CONFIG.replace('{ url: ./r1', `{ url: "s3://key:${SECRETS.databaseUrl}@host"`),
    `${CONFIG}policies: "${SECRETS.inClear}`,
  ]
  for (const text of broken) {
    put('lifeboat.yaml', text)
    for (const args of [['snapshots'], ['doctor', '--json'], ['init', '--yes', '--json'], ['backup']]) await run(args)
  }
  for (const file of filesBelow(join(dir, '.lifeboat'))) {
    const content = readFileSync(file, 'latin1')
    for (const secret of Object.values(SECRETS)) expect(content.includes(secret), `${file} holds ${secret}`).toBe(false)
  }
})

test('init never shows what it reads', async () => {
  const dir = makeTempDir()
  mkdirSync(join(dir, 'prisma'))
  const url = `postgres://user:${SECRETS.databaseUrl}@localhost/db`
  writeFileSync(join(dir, '.env'), `DATABASE_URL="${url}"\nREDIS_URL=redis://:${SECRETS.databaseUrl}@h\n`)
  writeFileSync(join(dir, 'prisma/schema.prisma'), `datasource db {\n  provider = "postgresql"\n  url = "${url}"\n}\n`)
  const { code, stdout, stderr } = await runLifeboat(['init', '--yes', '--json', '-vv'], {
    cwd: dir,
    env: { PG_URL: url },
  })
  const written = readFileSync(join(dir, 'lifeboat.yaml'), 'utf8')
  expect(code).toBe(0)
  expect(`${stdout}${stderr}${written}`).not.toContain(SECRETS.databaseUrl)
  // Nor the password that it made.
  expect(`${stdout}${stderr}${written}`).not.toContain(readFileSync(join(dir, '.lifeboat/password'), 'utf8').trim())
})

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}
