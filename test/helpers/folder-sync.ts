import { type FileHandle, open, readlink } from 'node:fs/promises'
import { onTestFinished, vi } from 'vitest'

/** Calls back with the path of each folder that is synced in this process, until the running test ends. Linux only. */
export async function watchFolderSyncs(seen: (folder: string) => void): Promise<void> {
  await onFolderSync(async (sync, handle) => {
    seen(await readlink(`/proc/self/fd/${handle.fd}`))
    await sync()
  })
}

/**
 * Until the running test ends, syncing any folder in this process fails with that error, as on a file system that can't
 * (`EINVAL`, `ENOTSUP`, ...) or on a failing disk (`EIO`). Files are synced as ever. Gives how many were refused so far.
 */
export async function failFolderSyncs(code: string): Promise<() => number> {
  let refused = 0
  await onFolderSync(() => {
    refused += 1
    return Promise.reject(Object.assign(new Error(`${code}: made by a test, fsync`), { code, syscall: 'fsync' }))
  })
  return () => refused
}

async function onFolderSync(instead: (sync: () => Promise<void>, handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open('/', 'r')
  const prototype: unknown = Object.getPrototypeOf(handle)
  await handle.close()
  if (!hasSync(prototype)) throw new Error('a file handle has no sync')
  const real = prototype.sync
  const spy = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
    const sync = (): Promise<void> => real.call(this)
    await ((await this.stat()).isDirectory() ? instead(sync, this) : sync())
  })
  onTestFinished(() => spy.mockRestore())
}

function hasSync(value: unknown): value is Pick<FileHandle, 'sync'> {
  return typeof value === 'object' && value !== null && 'sync' in value
}
