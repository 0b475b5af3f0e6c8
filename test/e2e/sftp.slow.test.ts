import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { SftpInstallation } from '../helpers/sftp-installation.ts'
import { SftpServer, skipSftp } from '../helpers/sftp-server.ts'
import { lifeboat, runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

/** The whole of it over a real server, by the real commands. */
describe.skipIf(skipSftp)('a repository on a server of SFTP', () => {
  let server: SftpServer
  beforeAll(async () => {
    server = await SftpServer.start()
  })
  afterAll(() => server.remove())

  test('is made, written, read, checked, thinned out and pruned', async () => {
    const here = new SftpInstallation(server, 5, 100_000)
    await here.run('init', '--yes')
    await here.run('backup')
    writeFileSync(join(here.folder, 'docs/late'), pseudoRandom(3_000_000, 99))
    await here.run('backup')
    expect(await here.run('snapshots')).toContain('2 snapshots')
    await here.run('restore', 'docs', '--to', './back')
    expect(digestTree(join(here.folder, 'back'))).toEqual(here.docs)
    await here.run('check', '--read-data')
    await here.run('verify', 'docs')
    await here.run('forget', '--keep-last', '1', '--prune')
    await here.run('prune')
    expect(await here.run('snapshots')).toContain('1 snapshot')
    expect(readdirSync(join(here.remote, 'tmp'))).toEqual([])
    expect(readdirSync(join(here.remote, 'locks'))).toEqual([])
    // By its URL alone, as after a disaster: with what the user's own ssh knows.
    const elsewhere = { cwd: makeTempDir(), env: { ...here.environment, XDG_STATE_HOME: makeTempDir() } }
    const listed = await lifeboat(['snapshots', '--repo', here.url], elsewhere)
    expect(listed).toContain('docs')
    const info = await here.try('doctor')
    expect(info.stdout).toContain(here.url)
  })

  test.skipIf(skipRestic)('is read and written by restic too, and we read what restic wrote', async () => {
    const here = new SftpInstallation(server, 3, 200_000)
    await here.run('init', '--yes')
    await here.run('backup')
    expect(await here.restic('check', '--read-data')).toContain('no errors were found')
    await here.restic('restore', 'latest', '--target', join(here.folder, 'theirs'))
    expect(digestTree(join(here.folder, 'theirs/docs'))).toEqual(here.docs)
    await here.restic('backup', join(here.folder, 'docs'))
    await here.run('check', '--read-data')
    expect(JSON.parse(await here.run('snapshots', '--json'))).toHaveLength(2)
  })

  test.skipIf(skipRestic)('that restic made is taken as it is', async () => {
    const here = new SftpInstallation(server, 3, 200_000)
    await here.restic('init', '--repository-version', '2')
    await here.run('backup')
    await here.run('check', '--read-data')
    expect(await here.restic('check', '--read-data')).toContain('no errors were found')
  })

  test('says what is wrong with an address in a sentence', async () => {
    const here = new SftpInstallation(server, 1, 10)
    const failed = async (url: string): Promise<string> => {
      const result = await runLifeboat(['snapshots', '--repo', url], { cwd: here.folder, env: here.environment })
      expect(result.code).not.toBe(0)
      return result.stderr
    }
    expect(await failed('sftp://me:hunter2@host/x')).not.toContain('hunter2')
    expect(await failed('sftp:-oProxyCommand=touch${IFS}x:/x')).toContain('cannot be the host')
    expect(await failed('sftp:host:~/x')).toContain('relative folder is in the home folder')
  })
})
