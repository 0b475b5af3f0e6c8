import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { makeApplication } from '../helpers/application.ts'
import { lifeboat, runLifeboat } from '../helpers/spawn.ts'

test('from nothing to a restored database, by the words that init prints', async () => {
  const dir = makeApplication()
  const said = await lifeboat(['init', '--yes'], { cwd: dir })
  expect(said).toContain('every backup in this repository is lost')
  expect(statSync(join(dir, '.lifeboat')).mode & 0o777).toBe(0o700)
  expect(statSync(join(dir, '.lifeboat/password')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(dir, '.gitignore'), 'utf8')).toBe('.lifeboat/\n/backups/\n')
  await lifeboat(['backup'], { cwd: dir })
  await lifeboat(['restore', 'app', 'latest', '--to', './restored.db'], { cwd: dir })
  const restored = new DatabaseSync(join(dir, 'restored.db'), { readOnly: true })
  expect(restored.prepare('SELECT count(*) AS n FROM users').get()).toEqual({ n: 2 })
  restored.close()
  expect((await runLifeboat(['doctor'], { cwd: dir })).code).toBe(0)
})

test('a place that cannot be used is named, with the file that says it by then', async () => {
  const dir = makeApplication()
  writeFileSync(join(dir, 'taken'), '')
  const failed = await runLifeboat(['init', '--yes', '--to', './taken/backups'], { cwd: dir })
  expect(failed.code).not.toBe(0)
  expect(failed.stderr).toContain(`${join(dir, 'lifeboat.yaml')} is written: correct the "url" in it`)
})

test('beside a configuration it creates what is missing, and touches nothing else', async () => {
  const dir = makeApplication()
  await lifeboat(['init', '--yes'], { cwd: dir })
  const config = readFileSync(join(dir, 'lifeboat.yaml'), 'utf8')
  const password = readFileSync(join(dir, '.lifeboat/password'), 'utf8')
  const before = readdirSync(join(dir, 'backups/keys'))
  const second = config.replace(
    'repositories:\n',
    'repositories:\n  disk: { url: ./disk, passwordFile: ./disk.password }\n',
  )
  writeFileSync(join(dir, 'lifeboat.yaml'), second)
  const said = JSON.parse(await lifeboat(['init', '--yes', '--json'], { cwd: dir })) as { repositories: unknown[] }
  expect(said.repositories).toMatchObject([
    { name: 'disk', created: true, passwordCreated: true },
    { name: 'main', created: false, passwordCreated: false },
  ])
  expect(readFileSync(join(dir, 'lifeboat.yaml'), 'utf8')).toBe(second)
  expect(readFileSync(join(dir, '.lifeboat/password'), 'utf8')).toBe(password)
  expect(readdirSync(join(dir, 'backups/keys'))).toEqual(before)
  expect(readFileSync(join(dir, 'disk.password'), 'utf8')).not.toBe(password)
  // A repository whose password is lost is not given a new one.
  rmSync(join(dir, 'disk.password'))
  await lifeboat(['init', '--yes'], { cwd: dir })
  expect(readdirSync(dir)).not.toContain('disk.password')
})

test('a place that cannot be written is a clear error', async () => {
  const dir = makeApplication()
  writeFileSync(join(dir, 'file'), '')
  const { code, stderr } = await runLifeboat(['init', '--yes', '--to', './file/backups'], { cwd: dir })
  expect(code).not.toBe(0)
  expect(stderr).toContain(join(dir, 'file'))
  expect(stderr).not.toMatch(/bug in Lifeboat|^ {4}at /m)
})
