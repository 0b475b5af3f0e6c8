import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { RestServer, skipRest } from '../helpers/rest-server.ts'
import { skipRestic } from '../helpers/restic.ts'
import { lifeboat, mustRun, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

const prepare = async (): Promise<{ server: RestServer; folder: string }> => {
  const server = await RestServer.start()
  onTestFinished(() => server.remove())
  const folder = makeTempDir()
  mkdirSync(join(folder, 'docs'))
  writeFileSync(join(folder, 'docs/a'), pseudoRandom(300_000, 1))
  writeFileSync(join(folder, 'password'), 'a password\n', { mode: 0o600 })
  const main = {
    url: server.url('repo'),
    passwordFile: './password',
    storage: { username: server.username, password: { env: 'REST_PASSWORD' } },
  }
  const config = { repositories: { main }, sources: { docs: { kind: 'files', path: './docs' } } }
  writeFileSync(join(folder, 'lifeboat.yaml'), JSON.stringify(config))
  return { server, folder }
}

test.skipIf(skipRest)('a repository on a REST server goes the whole way, also where it may only append', async () => {
  const { server, folder } = await prepare()
  const options = { cwd: folder, env: { REST_PASSWORD: server.password } }
  await lifeboat(['init', '--yes'], options)
  await lifeboat(['backup'], options)
  writeFileSync(join(folder, 'docs/b'), pseudoRandom(300_000, 2))

  await server.stop()
  await server.startAgain({ appendOnly: true })
  await lifeboat(['backup'], options)
  await lifeboat(['restore', 'docs', '--to', './back'], options)
  expect(digestTree(join(folder, 'back'))).toEqual(digestTree(join(folder, 'docs')))
  await lifeboat(['check', '--read-data'], options)
  const refused = await runLifeboat(['forget', '--keep-last', '1', '--prune'], options)
  expect(refused.code).not.toBe(0)
  expect(refused.stderr + refused.stdout).toContain('backups go on')
  expect(refused.stderr + refused.stdout).not.toContain(server.password)
  expect(await lifeboat(['snapshots'], options)).toContain('2 snapshots')

  await server.stop()
  await server.startAgain()
  await lifeboat(['forget', '--keep-last', '1', '--prune'], options)
  expect(await lifeboat(['snapshots'], options)).toContain('1 snapshot')
})

describe.skipIf(skipRest || skipRestic)('a REST server', () => {
  test('holds one repository for restic and for us', async () => {
    const { server, folder } = await prepare()
    const env = {
      ...server.environment,
      RESTIC_PASSWORD_FILE: join(folder, 'password'),
      RESTIC_CACHE_DIR: join(folder, 'cache'),
      LIFEBOAT_PASSWORD_FILE: join(folder, 'password'),
      XDG_STATE_HOME: makeTempDir(),
      REST_PASSWORD: server.password,
    }
    // Debian's restic does not know the variables yet.
    const url = server.url('repo').replace('//', `//${server.username}:${server.password}@`)
    const restic = (...args: string[]): Promise<string> =>
      mustRun('timeout', ['120', 'restic', '-r', url, ...args], { env })
    await restic('init', '--repository-version', '2')
    await restic('backup', join(folder, 'docs'))
    await lifeboat(['backup'], { cwd: folder, env })
    expect(await restic('check', '--read-data')).toContain('no errors were found')
    // By its URL alone, with restic's own variables.
    const listed = await lifeboat(['snapshots', '--json', '--repo', server.url('repo')], { cwd: makeTempDir(), env })
    expect(JSON.parse(listed)).toHaveLength(2)
  })
})
