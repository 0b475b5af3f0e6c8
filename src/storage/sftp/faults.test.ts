import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { tryCut } from '../../../test/contracts/sftp-cuts.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { CuttingSsh } from '../../../test/helpers/cutting-ssh.ts'
import { mountReadOnly, skipReadOnlyMount } from '../../../test/helpers/read-only-mount.ts'
import { SftpServer, type SftpServerOptions, skipSftp } from '../../../test/helpers/sftp-server.ts'
import { SmallDisk, skipSmallDisk } from '../../../test/helpers/small-disk.ts'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { connectBySsh } from '../../clients/sftp/index.ts'
import { openStorage } from '../open-storage.ts'
import { findStorage } from '../registry.ts'
import type { Storage } from '../storage.ts'
import { locationOf } from './location.ts'
import { openSftpStorage, SftpStorage } from './sftp-storage.ts'

const started = async (options: SftpServerOptions = {}): Promise<SftpServer> => {
  const server = await SftpServer.start(options)
  onTestFinished(() => server.remove())
  return server
}

const open = async (server: SftpServer, path = 'repo', environment = process.env): Promise<Storage> => {
  const url = server.url(join(server.root, path))
  const storage = await openSftpStorage(url, server.storageOptions, adapterContext(environment))
  onTestFinished(() => storage.close())
  return storage
}

const keysOf = async (storage: Storage): Promise<string[]> => {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) keys.push(key)
  return keys.sort()
}

const content = randomBytes(200_000)
const KEY = 'data/3f/3f2a'

describe.skipIf(skipSftp)('a connection that is cut', () => {
  test.each([
    ['save', 1500],
    ['save', 100_000],
    ['load', 100_000],
    ['list', 800],
  ] as const)('in %s fails that call as one to be tried again, which then works', async (name, bytes) => {
    expect(await tryCut(await started(), name, [bytes])).toBe(1)
  })

  test('is not noticed by who calls: another one takes its place', async () => {
    const server = await started()
    const ssh = new CuttingSsh(makeTempDir())
    const environment = { ...process.env, PATH: ssh.path }
    const url = server.url(join(server.root, 'repo'))
    const storage = await openStorage(findStorage(url), url, {
      options: server.storageOptions,
      context: adapterContext(environment),
    })
    onTestFinished(() => storage.close())
    ssh.cutAfter(100_000)
    await storage.save('config', content, { ifAbsent: true })
    const left = await keysOf(storage)
    expect(left).toEqual(['config'])
    server.cut()
    expect((await storage.load('config')).equals(content)).toBe(true)
    await server.stop()
    const loading = storage.load('config')
    await server.startAgain()
    expect((await loading).equals(content)).toBe(true)
  })
})

describe.skipIf(skipSftp)('a server that', () => {
  const failing = async (options: SftpServerOptions): Promise<unknown> => {
    const storage = await open(await started(options))
    return await storage.find('config').catch((error: unknown) => error)
  }

  test('prints something in place of SFTP is told so, at once', async () => {
    expect(await failing({ forceCommand: 'echo Welcome to this machine' })).toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining('something else than SFTP answers: "Welcome to') as string,
      hint: expect.stringMatching(/sftp -P \d+ \S+@127\.0\.0\.1 must work first/) as string,
    })
  })

  test('hangs up at once fails as one to be tried again', async () => {
    expect(await failing({ forceCommand: 'exit 3' })).toMatchObject({ code: 'storage-failed' })
  })

  test('sends rubbish is no hang', async () => {
    expect(await failing({ forceCommand: 'head -c 100000 /dev/urandom' })).toMatchObject({
      code: expect.stringMatching(/^storage-(denied|failed)$/) as string,
    })
  })

  test('stands still is given up, and the next call comes over another connection', async () => {
    const server = await started({ forceCommand: 'sleep 600' })
    const location = locationOf(server.url())
    let connections = 0
    const connect = (): ReturnType<typeof connectBySsh> => {
      connections++
      return connectBySsh(location, { ...server.storageOptions, environment: process.env, stallMs: 1000 })
    }
    const storage = new SftpStorage(server.url(), { location, options: server.storageOptions }, connect)
    for (const expected of [1, 2]) {
      await expect(storage.load('config')).rejects.toMatchObject({
        code: 'storage-failed',
        message: expect.stringContaining('nothing came from the server for 1 s') as string,
      })
      expect(connections).toBe(expected)
    }
    await storage.close()
  })

  test('lets nothing be written still gives what it has', async () => {
    const server = await started({ forceCommand: 'internal-sftp -R' })
    mkdirSync(join(server.root, 'repo'))
    writeFileSync(join(server.root, 'repo/config'), 'x')
    const storage = await open(server)
    expect((await storage.load('config')).toString()).toBe('x')
    for (const change of [storage.save('config', content), storage.save(KEY, content), storage.remove('config')]) {
      await expect(change).rejects.toMatchObject({ code: 'storage-denied', isTransient: false })
    }
  })

  test('does not let us in says which key to put where', async () => {
    expect(await failing({ refusesKey: true })).toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining('127.0.0.1 does not let us in') as string,
      hint: expect.stringContaining('ssh-copy-id -p') as string,
    })
  })

  test('is not known, or not the one that was, is not trusted, with the command that helps', async () => {
    const server = await started()
    const url = server.url()
    const knownHostsFile = join(makeTempDir(), 'known hosts')
    const look = async (): Promise<unknown> => {
      const options = { ...server.storageOptions, knownHostsFile }
      const storage = await openSftpStorage(url, options, adapterContext())
      return await storage.find('config').catch((error: unknown) => error)
    }
    writeFileSync(knownHostsFile, '')
    expect(await look()).toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining('the key of 127.0.0.1 is not known here') as string,
      hint: expect.stringMatching(/"ssh-keyscan -p \d+ 127\.0\.0\.1 >> '.*known hosts'"/) as string,
    })
    const other = await started()
    const line = `[127.0.0.1]:${server.port} ${other.hostKey}`
    writeFileSync(knownHostsFile, line)
    expect(await look()).toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining('is another one than before') as string,
      hint: expect.stringContaining(`ssh-keygen -R '[127.0.0.1]:${server.port}'`) as string,
    })
  })

  test('is not there is looked for again, unless its name is wrong', async () => {
    const server = await started()
    await server.stop()
    await expect((await open(server)).find('config')).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringContaining('Connection refused') as string,
    })
  })

  test('lacks a program to reach it is said', async () => {
    const storage = await openSftpStorage('sftp:host:x', {}, adapterContext({ PATH: makeTempDir() }))
    await expect(storage.find('config')).rejects.toMatchObject({ code: 'tool-missing' })
  })
})

describe.skipIf(skipSftp)('the disk of the server', () => {
  test.skipIf(skipSmallDisk)(
    'is full: said as that, nothing half is left, and it goes on when there is space',
    async () => {
      const server = await started()
      const disk = new SmallDisk(join(server.root, 'small'), 1024 * 1024)
      const storage = await open(server, 'small/repo')
      await storage.save('config', Buffer.from('x'))
      await expect(storage.save(KEY, Buffer.alloc(4_000_000))).rejects.toMatchObject({
        code: 'storage-full',
        isTransient: false,
      })
      disk.fill()
      await expect(storage.save('data/77/7701', content)).rejects.toMatchObject({ code: 'storage-full' })
      expect(await keysOf(storage)).toEqual(['config'])
      expect(readdirSync(join(disk.folder, 'repo/tmp'))).toEqual([])
      expect((await storage.load('config')).toString()).toBe('x')
      disk.unfill()
      await storage.save(KEY, content)
      expect(await storage.freeBytes()).toBeLessThan(1024 * 1024)
    },
  )

  test.skipIf(skipReadOnlyMount)('is mounted read-only: said as that, with what mends it', async () => {
    const server = await started()
    mkdirSync(join(server.root, 'repo'))
    mountReadOnly(join(server.root, 'repo'), join(server.root, 'fixed'))
    const storage = await open(server, 'fixed')
    await expect(storage.save('config', Buffer.from('x'))).rejects.toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining('its disk is mounted read-only') as string,
    })
  })

  test('was taken away: nothing is written to its empty place', async () => {
    const server = await started()
    const root = join(server.root, 'repo')
    const storage = await open(server)
    await storage.save('config', Buffer.from('x'))
    for (const leave of ['nothing', 'an empty mount point']) {
      rmSync(root, { recursive: true, force: true })
      if (leave !== 'nothing') mkdirSync(root)
      await expect(storage.save(KEY, content)).rejects.toMatchObject({ code: 'storage-failed' })
      await expect(storage.save('wal/1/b', content)).rejects.toMatchObject({ code: 'storage-failed' })
      if (leave !== 'nothing') expect(readdirSync(root)).toEqual([])
    }
  })
})
