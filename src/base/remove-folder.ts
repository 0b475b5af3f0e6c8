import { chmod, lstat, readdir, rm } from 'node:fs/promises'
import { systemCode } from './errors.ts'

/** As `rm -rf`, folders that are closed to us who own them too. Nothing there is no error. */
export async function removeFolder(path: string | Buffer): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    if (systemCode(error) !== 'EACCES' && systemCode(error) !== 'EPERM') throw error
    await openUp(Buffer.from(path))
    await rm(path, { recursive: true, force: true })
  }
}

/** What can't be opened stays as it is: the removal says what is wrong with it. */
async function openUp(top: Buffer): Promise<void> {
  const waiting = [top]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    const found = await lstat(at).catch(() => undefined)
    if (!found?.isDirectory()) continue
    if ((found.mode & 0o700) !== 0o700) await chmod(at, 0o700).catch(() => undefined)
    for (const entry of await readdir(at, { encoding: 'buffer', withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory()) waiting.push(Buffer.concat([at, Buffer.from('/'), entry.name]))
    }
  }
}
