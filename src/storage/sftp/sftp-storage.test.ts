import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { SftpServer, skipSftp } from '../../../test/helpers/sftp-server.ts'
import type { Storage } from '../storage.ts'
import { openSftpStorage } from './sftp-storage.ts'

let server: SftpServer
let folder = ''
let next = 0

beforeAll(async () => {
  if (!skipSftp) server = await SftpServer.start()
})

beforeEach(() => {
  if (!skipSftp) folder = join(server.root, String(next++))
})

afterAll(async () => {
  await server?.remove()
})

const open = (path = folder): Promise<Storage> =>
  openSftpStorage(server.url(path), server.storageOptions, adapterContext())

describe.skipIf(skipSftp)('sftp', () => {
  testStorageContract('sftp', { open: () => open(), reopen: () => open() })

  test('looking does not create anything; files are 0600 in folders of 0700', async () => {
    mkdirSync(folder)
    const storage = await open(join(folder, 'a/b'))
    await storage.find('config')
    expect(readdirSync(folder)).toEqual([])
    await storage.save('data/3f/3f2a', Buffer.from('x'))
    for (const path of ['a', 'a/b', 'a/b/data', 'a/b/data/3f', 'a/b/tmp']) {
      expect(statSync(join(folder, path)).mode & 0o777).toBe(0o700)
    }
    expect(statSync(join(folder, 'a/b/data/3f/3f2a')).mode & 0o777).toBe(0o600)
    await storage.close()
    expect(readdirSync(join(folder, 'a/b/tmp'))).toEqual([])
  })
})
