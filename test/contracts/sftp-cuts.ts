import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect } from 'vitest'
import { openSftpStorage } from '../../src/storage/sftp/sftp-storage.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { adapterContext } from '../helpers/adapter-context.ts'
import { CuttingSsh } from '../helpers/cutting-ssh.ts'
import type { SftpServer } from '../helpers/sftp-server.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const content = randomBytes(200_000)
const KEY = 'data/3f/3f2a'
const NEW = 'data/77/7700'

export const CALLS = {
  save: storage => storage.save(NEW, content),
  'save if absent': storage => storage.save(NEW, content, { ifAbsent: true }),
  load: storage => storage.load(KEY),
  'load of a range': storage => storage.load(KEY, { range: { offset: 5, length: 150_000 } }),
  find: storage => storage.find(KEY),
  list: storage => keysOf(storage),
  remove: storage => storage.remove('data/3f/3f2b'),
  freeBytes: storage => storage.freeBytes(),
} as const satisfies Readonly<Record<string, (storage: Storage) => Promise<unknown>>>

/**
 * Kills the connection of one call once for each place, which is a number of bytes in either direction: the call fails as
 * one to be tried again, which then works, and what is there is whole. Gives how many calls were really cut.
 */
export async function tryCut(server: SftpServer, name: keyof typeof CALLS, places: readonly number[]): Promise<number> {
  const ssh = new CuttingSsh(makeTempDir())
  const call = CALLS[name]
  const open = (environment: NodeJS.ProcessEnv): Promise<Storage> =>
    openSftpStorage(server.url(join(server.root, 'cut')), server.storageOptions, adapterContext(environment))
  const calm = await open(process.env)
  let cuts = 0
  for (const bytes of places) {
    await calm.remove(NEW)
    await calm.save(KEY, content)
    await calm.save('data/3f/3f2b', Buffer.from('b'))
    const storage = await open({ ...process.env, PATH: ssh.path })
    ssh.cutAfter(bytes)
    const failure: unknown = await call(storage).then(
      () => undefined,
      (error: unknown) => error,
    )
    ssh.spare()
    // Whole or not at all, as somebody else sees it.
    if ((await keysOf(calm)).includes(NEW)) expect((await calm.load(NEW)).equals(content)).toBe(true)
    if (failure !== undefined) {
      cuts++
      expect(failure).toMatchObject({ code: 'storage-failed', isTransient: true })
      await calm.remove(NEW)
      await call(storage)
    }
    await storage.close()
  }
  await calm.close()
  return cuts
}

async function keysOf(storage: Storage): Promise<string[]> {
  const keys: string[] = []
  for await (const key of storage.listKeys('')) keys.push(key)
  return keys
}
