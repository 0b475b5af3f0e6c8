import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { CALLS, tryCut } from '../../../test/contracts/sftp-cuts.ts'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { SftpServer, skipSftp } from '../../../test/helpers/sftp-server.ts'
import type { Storage } from '../storage.ts'
import { openSftpStorage } from './sftp-storage.ts'

describe.skipIf(skipSftp)('a connection that is cut', () => {
  // In the greeting, in the first questions, in the middle of data, and behind its end.
  const places = [5, 150, 400, 600, 800, 1500, 100_000, 201_500]

  test.each(Object.keys(CALLS) as Array<keyof typeof CALLS>)('anywhere in %s can be tried again', async name => {
    const server = await SftpServer.start()
    onTestFinished(() => server.remove())
    expect(await tryCut(server, name, places)).toBeGreaterThanOrEqual(3)
  })
})

describe.skipIf(skipSftp)('a server without any extension', () => {
  let server: SftpServer
  let next = 0
  beforeAll(async () => {
    const denied = 'posix-rename,hardlink,fsync,statvfs,fstatvfs,limits'
    server = await SftpServer.start({ forceCommand: `internal-sftp -P ${denied}` })
  })
  afterAll(() => server.remove())

  const openAt = (path: string): Promise<Storage> =>
    openSftpStorage(server.url(path), server.storageOptions, adapterContext())

  testStorageContract('sftp without extensions', {
    open: () => openAt(join(server.root, String(next++))),
    reopen: () => openAt(join(server.root, String(next - 1))),
  })

  test('has no notion of free space', async () => {
    const storage = await openAt(join(server.root, 'x'))
    expect(await storage.freeBytes()).toBeUndefined()
    await storage.close()
  })
})
