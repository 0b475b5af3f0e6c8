import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { sleeplessClock } from '../../../test/contracts/http-faults.ts'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { describeWithRclone, RcloneRemote } from '../../../test/helpers/rclone.ts'
import { silentLogger } from '../../base/logger.ts'
import { systemRandom } from '../../base/random.ts'
import { RetryingStorage } from '../retrying-storage.ts'
import type { Storage } from '../storage.ts'
import { openRcloneStorage, placeOf } from './open.ts'
import type { RcloneOptions } from './options.ts'

const content = randomBytes(300_000)
const id = createHash('sha256').update(content).digest('hex')
const KEY = `data/${id.slice(0, 2)}/${id}`

let remote: RcloneRemote
beforeEach(() => {
  remote = new RcloneRemote()
})
afterEach(() => remote.remove())

const open = async (url: string, options: RcloneOptions = {}, environment = remote.environment): Promise<Storage> => {
  const storage = await openRcloneStorage(url, options, adapterContext(environment))
  onTestFinished(() => storage.close())
  return storage
}

/** Of the children of this process that serve for rclone: only ours have this folder's configuration. */
const pidsOf = (configuration: string): number[] => {
  const pids = readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8')
    .split(' ')
    .filter(Boolean)
  return pids.map(Number).filter(pid => environmentOf(pid).includes(configuration))
}
const environmentOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}
const isGone = async (pid: number): Promise<boolean> => {
  for (let look = 0; look < 500; look++) {
    if (environmentOf(pid) === '') return true
    await wait(10)
  }
  return false
}

describeWithRclone('rclone serve restic --stdio', () => {
  let next = 0
  testStorageContract('rclone', {
    open: () => open(`rclone:disk:repo${next++}`),
    reopen: () => open(`rclone:disk:repo${next - 1}`),
  })

  test('that dies is started again, and the call is made again', async () => {
    const storage = await open('rclone:disk:repo')
    await storage.save(KEY, content)
    const [pid = 0] = pidsOf(remote.folder)
    process.kill(pid, 'SIGKILL')
    await isGone(pid)
    const retrying = new RetryingStorage(storage, { clock: sleeplessClock, random: systemRandom, logger: silentLogger })
    expect((await retrying.load(KEY)).equals(content)).toBe(true)
    expect(pidsOf(remote.folder)).not.toEqual([pid])
  })

  test('that dies in the middle of a call fails that call as one to be tried again', async () => {
    const storage = await open('rclone:disk:repo')
    await storage.save('config', Buffer.from('x'))
    const [pid = 0] = pidsOf(remote.folder)
    process.kill(pid, 'SIGSTOP')
    const saved = storage.save(KEY, content).catch((error: unknown) => error)
    process.kill(pid, 'SIGKILL')
    expect(await saved).toMatchObject({
      code: 'storage-failed',
      isTransient: true,
      message: expect.stringContaining('SIGKILL'),
    })
    await storage.save(KEY, content)
    expect((await storage.load(KEY)).equals(content)).toBe(true)
  })

  test('ends with the storage, and with a process of ours that is killed', async () => {
    const storage = await open('rclone:disk:repo')
    await storage.save('config', Buffer.from('x'))
    const [pid = 0] = pidsOf(remote.folder)
    await storage.close()
    expect(await isGone(pid)).toBe(true)
    const script = `
      import { openRcloneStorage } from ${JSON.stringify(join(import.meta.dirname, 'open.ts'))}
      const context = { baseDir: '/', environment: process.env, clock: { now: () => new Date() } }
      const storage = await openRcloneStorage('rclone:disk:repo', {}, context)
      await storage.find('config')
      const { readFileSync } = await import('node:fs')
      console.log(readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim())
      setInterval(() => {}, 1000)`
    const ours = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      env: remote.environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said] = (await once(ours.stdout, 'data')) as [Buffer]
    const child = Number(said.toString())
    expect(environmentOf(child)).toContain(remote.folder)
    ours.kill('SIGKILL')
    expect(await isGone(child)).toBe(true)
  })

  test('says of an unknown remote what to do, at once and without trying again', async () => {
    const storage = await open('rclone:nowhere:repo')
    await expect(storage.find('config')).rejects.toMatchObject({
      code: 'storage-denied',
      message: expect.stringContaining(`didn't find section in config file`),
      hint: expect.stringContaining('rclone listremotes'),
    })
  })

  test('says what failed at the remote in its own words', async () => {
    const storage = await open('rclone:disk:repo')
    // A file where the folder of packs is to be.
    mkdirSync(join(remote.root, 'repo'), { recursive: true })
    writeFileSync(join(remote.root, 'repo', 'data'), '')
    await expect(storage.save(KEY, content)).rejects.toMatchObject({
      code: 'storage-failed',
      message: expect.stringMatching(/rclone says: .*not a directory/),
      hint: expect.stringContaining("rclone lsd 'disk:repo'"),
    })
  })

  test('that only takes what is new lets backups be made, and says what it takes to delete', async () => {
    const storage = await open('rclone:disk:repo', { args: ['serve', 'restic', '--stdio', '--append-only'] })
    await storage.save(KEY, content)
    await expect(storage.remove(KEY)).rejects.toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('backups go on'),
    })
  })
})

test('where there is no rclone it is asked for', async () => {
  const storage = await open('rclone:disk:repo', {}, { ...remote.environment, PATH: remote.folder })
  await expect(storage.find('config')).rejects.toMatchObject({
    code: 'tool-missing',
    message: 'rclone is not installed',
  })
})

describe('a program in the place of rclone that', () => {
  const program = (text: string): string => {
    const file = join(remote.folder, 'fake')
    writeFileSync(file, `#!/bin/sh\n${text}\n`)
    chmodSync(file, 0o755)
    return file
  }

  test.each([
    [
      'says a secret',
      'echo "CRITICAL: token=abcdefg123 at https://me:hunter2@host/x?sig=abcdefg123" >&2; exit 1',
      'storage-denied',
    ],
    ['writes without an end', 'head -c 3000000 /dev/zero | tr "\\0" x >&2; exit 1', 'storage-denied'],
    [
      'cannot reach its service',
      'echo "CRITICAL: dial tcp 127.0.0.1:1: connection refused" >&2; exit 1',
      'storage-failed',
    ],
    ['speaks no HTTP/2', 'echo HTTP/1.1 400 Bad Request; exec sleep 60', 'storage-failed'],
    ['ends without a word', 'exit 0', 'storage-failed'],
  ])('%s fails shortly, in clear words', async (_what, text, code) => {
    const storage = await open('rclone:disk:repo', { program: program(text) })
    const error: unknown = await storage.load('config').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code })
    expect(String(error).length).toBeLessThan(600)
    expect(String(error)).not.toMatch(/abcdefg123|hunter2/)
  })

  test('gets its arguments as a list, and no password of ours', async () => {
    const file = program(`printf '%s\\n' "$@" > ${remote.folder}/said; env >> ${remote.folder}/said; exit 1`)
    const environment = {
      ...remote.environment,
      RESTIC_PASSWORD: 'hunter2',
      LIFEBOAT_PASSWORD: 'hunter3',
      RCLONE_CONFIG_PASS: 'its own',
    }
    const storage = await open(
      "rclone:disk:a b/$(x)'",
      { program: [file, 'first'], args: ['serve', 'x y'] },
      environment,
    )
    await storage.find('config').catch(() => {})
    const said = readFileSync(join(remote.folder, 'said'), 'utf8')
    expect(said).toMatch(/^first\nserve\nx y\ndisk:a b\/\$\(x\)'\n/)
    expect(said).toContain('its own')
    expect(said).not.toMatch(/hunter/)
  })
})

test('a URL names a remote of rclone’s configuration, and neither settings nor programs', () => {
  expect(placeOf('rclone:r2:backups/shop')).toBe('r2:backups/shop')
  expect(placeOf('rclone:My Drive-2:')).toBe('My Drive-2:')
  for (const url of ['rclone:', 'rclone:disk', 'rclone::local:/x', 'rclone:-v:x', 'rclone:a/b:c', 'rclone:x ,y:z']) {
    expect(() => placeOf(url), url).toThrow(/cannot use the repository url/)
  }
  const secret = () => placeOf('rclone::sftp,ssh="rm -rf",pass=hunter2:x')
  expect(secret).toThrow(/settings of a remote/)
  expect(secret).not.toThrow(/hunter2/)
})
