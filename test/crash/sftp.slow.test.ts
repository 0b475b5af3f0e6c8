import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SftpInstallation } from '../helpers/sftp-installation.ts'
import { SftpServer, skipSftp } from '../helpers/sftp-server.ts'
import { digestTree } from '../helpers/tree-digest.ts'

describe.skipIf(skipSftp)('a repository on a server of SFTP', () => {
  let server: SftpServer
  beforeAll(async () => {
    server = await SftpServer.start()
  })
  afterAll(() => server.remove())

  test('goes on where a server that was stopped in the middle of a backup is started again', async () => {
    const here = new SftpInstallation(server, 8, 12_000_000)
    await here.run('init', '--yes')
    const backup = here.start('backup')
    onTestFinished(() => void backup.child.kill('SIGKILL'))
    while (here.packs < 1) await wait(5)
    await server.stop()
    const before = here.packs
    await server.startAgain()
    const { code, stderr } = await backup.result
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stderr).toContain('trying again in')
    expect(here.packs).toBeGreaterThan(before)
    await here.run('check', '--read-data')
    await here.run('restore', 'docs', '--to', './back')
    expect(digestTree(join(here.folder, 'back'))).toEqual(here.docs)
  })

  test('is whole after a backup was killed, and the next one takes away what that left', async () => {
    const here = new SftpInstallation(server, 8, 12_000_000)
    await here.run('init', '--yes')
    const backup = here.start('backup')
    while (here.packs < 1) await wait(5)
    backup.child.kill('SIGKILL')
    expect((await backup.result).signal).toBe('SIGKILL')
    expect(await here.run('snapshots')).toContain('No snapshots yet')
    await here.run('backup')
    await here.run('check', '--read-data')
    expect(readdirSync(join(here.remote, 'tmp'))).toEqual([])
    expect(readdirSync(join(here.remote, 'locks'))).toEqual([])
  })
})
