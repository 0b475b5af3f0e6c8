import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { describeWithPostgres, startTestCluster } from '../helpers/postgres-cluster.ts'
import { skipRestic } from '../helpers/restic.ts'
import { type CommandResult, lifeboat, runCommand, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { PASSWORD, readNotes, Workspace } from '../helpers/workspace.ts'

const BIN = resolve(import.meta.dirname, '../../bin/lifeboat.js')
const SECRETS: Readonly<Record<string, string>> = { LIFEBOAT_PASSWORD: PASSWORD, NOTES_KEY: 'hunter2 und so' }

/** Made of what the sheet says, in its order: all that begins with `$`. */
const typedIn = (sheet: string): string[] => [...sheet.matchAll(/^ +\$ (.+)$/gm)].map(([, command = '']) => command)

/** Somebody who types what is printed and knows only the secrets that are asked for, on a machine with nothing of ours. */
async function follow(commands: readonly string[], secrets: Readonly<Record<string, string>>): Promise<CommandResult> {
  const dir = makeTempDir()
  mkdirSync(join(dir, 'bin'))
  writeFileSync(join(dir, 'bin/lifeboat'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`)
  chmodSync(join(dir, 'bin/lifeboat'), 0o755)
  writeFileSync(join(dir, 'typed'), `set -e\n${commands.join('\n')}\n`)
  const asked = commands.flatMap(command => /^IFS= read -r (\w+) /.exec(command)?.[1] ?? [])
  const none = Object.fromEntries(Object.keys(secrets).map(name => [name, undefined]))
  return await runCommand('sh', [join(dir, 'typed')], {
    cwd: dir,
    env: { ...none, HOME: dir, PATH: [join(dir, 'bin'), process.env['PATH']].join(delimiter) },
    input: asked.map(name => `${secrets[name] ?? ''}\n`).join(''),
  })
}

/** An application in a folder whose repositories lie elsewhere. */
async function makeApplication(sources: string, policies = ''): Promise<{ app: string; repository: string }> {
  const dir = makeTempDir()
  const [app, repository] = [join(dir, 'srv/my app'), join(dir, 'mnt/backups')]
  mkdirSync(app, { recursive: true })
  writeFileSync(join(app, 'password'), `${PASSWORD}\n`, { mode: 0o600 })
  writeFileSync(
    join(app, 'lifeboat.yaml'),
    `repositories:\n  main: { url: ${repository}, passwordFile: ./password }\nsources:\n${sources}${policies}`,
    { mode: 0o600 },
  )
  return { app, repository }
}

test.each([
  ['s3:https://h/backups', ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'], 'the access key of S3'],
  ['azure:backups:/shop', ['AZURE_ACCOUNT_NAME', 'AZURE_ACCOUNT_KEY'], 'the key of the storage account'],
  ['gs:backups:/shop', ['GOOGLE_APPLICATION_CREDENTIALS'], 'key file of a service account'],
  ['rest:https://h/', ['RESTIC_REST_USERNAME', 'RESTIC_REST_PASSWORD'], 'the login of the REST server'],
  ['sftp:u@h:/p', [], 'private key that the SFTP server lets in'],
  ['rclone:drive:shop', [], 'rclone.conf'],
])('the recovery sheet says what lets a new machine into %s, and how to set it', async (url, variables, words) => {
  const dir = makeTempDir()
  const config = `repositories:\n  main: { url: "${url}", passwordFile: ./p }\nsources:\n  docs: { kind: files, path: . }\n`
  writeFileSync(join(dir, 'lifeboat.yaml'), config)
  const sheet = await lifeboat(['recovery-sheet'], { cwd: dir })
  expect(sheet).toContain(words)
  const asked = typedIn(sheet).flatMap(command => /^IFS= read -r (\w+) /.exec(command)?.[1] ?? [])
  expect(asked).toEqual(['LIFEBOAT_PASSWORD', ...variables])
})

describe('the recovery sheet', { timeout: 180_000 }, () => {
  test('typed word for word where nothing is left but the repository, it brings a database and a folder back', async () => {
    const { app, repository } = await makeApplication(
      '  app: { kind: sqlite, path: ./app.db, restore: { after: { command: [./start, "${NOTES_KEY}"] } } }\n' +
        '  docs: { kind: files, path: ./docs, exclude: ["${NOTES_KEY}"] }\n',
    )
    const workspace = new Workspace(app, false)
    workspace.makeDatabase(3)
    workspace.makeDocs()
    const env = { NOTES_KEY: SECRETS['NOTES_KEY'] }
    await lifeboat(['init'], { cwd: app, env })
    await cheapenKeys(repository, PASSWORD)
    await lifeboat(['backup'], { cwd: app, env })
    const [rows, docs] = [readNotes(workspace.database), digestTree(workspace.docs)]
    const sheet = await lifeboat(['recovery-sheet'], { cwd: app, env })
    for (const secret of Object.values(SECRETS)) expect(sheet).not.toContain(secret)
    expect(sheet).toContain(
      `LIFEBOAT_PASSWORD: the password of repository main; today it is in the file ${app}/password`,
    )
    expect(sheet).toMatch(/NOTES_KEY: of the environment; used by sources\.docs\.exclude/)
    expect(sheet).toContain('put back what you want of: sources.app.restore.after')
    renameSync(app, `${app}-is-lost`)

    const commands = typedIn(sheet)
    const ours = commands.filter(command => !/restic/i.test(command))
    expect(ours).toHaveLength(7)
    const done = await follow(ours, SECRETS)
    expect(done.stderr).toBe('')
    expect(done.code).toBe(0)
    expect(readNotes(workspace.database)).toEqual(rows)
    expect(digestTree(workspace.docs)).toEqual(docs)
    // The next backup needs nothing more.
    const again = { ...env, LIFEBOAT_PASSWORD: PASSWORD }
    expect(await runLifeboat(['backup'], { cwd: app, env: again })).toMatchObject({ code: 0 })

    if (skipRestic) return
    const list = commands.find(command => command.includes('snapshots --host')) ?? ''
    const { stdout } = await runCommand('sh', ['-c', list], { env: { RESTIC_PASSWORD: PASSWORD } })
    const id = /^([0-9a-f]{8}) /m.exec(stdout)?.[1] ?? ''
    const restic = commands.filter(command => /(RESTIC_PASSWORD|restore SNAPSHOT.*app-by)/.test(command))
    const read = commands.filter(command => command.includes('read -r LIFEBOAT_PASSWORD'))
    const other = makeTempDir()
    const typed = [`cd '${other}'`, ...read, ...restic].map(command => command.replace('SNAPSHOT', id))
    expect(await follow(typed, SECRETS)).toMatchObject({ code: 0 })
    expect(readNotes(join(other, 'app-by-restic/app/app.db'))).toEqual(rows)
  })

  test('says of several repositories which one has what, and where secrets are', async () => {
    const { app } = await makeApplication(
      '  app: { kind: sqlite, path: ./app.db }\n  docs: { kind: files, path: ./docs }\n  lost: { kind: files, path: ./x }\n',
      'policies:\n  nightly: { sources: [app], repositories: [main, away] }\n  weekly: { sources: [docs], repositories: [away] }\n',
    )
    const config = join(app, 'lifeboat.yaml')
    const secrets =
      'passwordCommand: [/usr/bin/pass, show, hunter2] }\n  clear: { url: ./c, password: hunter2 }\nsources:'
    writeFileSync(config, readFileSync(config, 'utf8').replace('sources:', `  away: { url: ./away, ${secrets}`))
    const run = (...words: string[]): Promise<CommandResult> => runLifeboat(['recovery-sheet', ...words], { cwd: app })
    const { stdout } = await run()
    expect(stdout).not.toContain('hunter2')
    expect(stdout).toContain('For repository away alone: its password; today it is what the program pass prints')
    expect(stdout).toContain('For repository clear alone: its password; today it is in clear in the configuration')
    expect(stdout).toMatch(/\$ lifeboat restore app --from main /)
    expect(stdout).toMatch(/\$ lifeboat restore docs --from away /)
    expect(stdout).toContain('lost (files)')
    expect(stdout).toContain('no policy says to which repository it goes')
    expect((await run('--repo', 'away')).stdout).toMatch(/\$ lifeboat restore app --from away /)
    expect(await run('--repo', 'awya')).toMatchObject({ code: 2, stderr: expect.stringContaining('mean "away"') })
    expect(await run('--repo', './away')).toMatchObject({ code: 2, stderr: expect.stringContaining('--repo NAME') })
    const none = await runLifeboat(['recovery-sheet'], { cwd: makeTempDir() })
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('lifeboat init') })
  })
})

describeWithPostgres('the recovery sheet of a PostgreSQL database', () => {
  test('typed word for word, it brings the database back to a new server', { timeout: 180_000 }, async () => {
    const [before, after] = await Promise.all([startTestCluster(), startTestCluster()])
    try {
      const { app, repository } = await makeApplication('  shop: { kind: postgres, url: "${DATABASE_URL}" }\n')
      await before.createDatabase('shop')
      await before.query('shop', 'CREATE TABLE item AS SELECT generate_series(1, 7) AS id')
      const env = { DATABASE_URL: before.url('shop') }
      await lifeboat(['init'], { cwd: app, env })
      await cheapenKeys(repository, PASSWORD)
      await lifeboat(['backup'], { cwd: app, env })
      const sheet = await lifeboat(['recovery-sheet'], { cwd: app, env })
      expect(sheet).toContain('DATABASE_URL: of the environment; used by sources.shop.url')
      renameSync(app, `${app}-is-lost`)
      const ours = typedIn(sheet).filter(command => !/restic/i.test(command))
      const done = await follow(ours, { LIFEBOAT_PASSWORD: PASSWORD, DATABASE_URL: after.url('shop') })
      expect(done.stderr).toBe('')
      expect(done.code).toBe(0)
      expect(await after.query('shop', 'SELECT count(*)::int AS n FROM item')).toEqual([{ n: 7 }])
    } finally {
      await Promise.all([before.close(), after.close()])
    }
  })
})
