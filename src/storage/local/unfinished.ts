import { readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileSystemNow } from '../../base/file-system-time.ts'
import { lifeOfNamed } from '../../base/process-life.ts'
import { UNFINISHED_OLD_MS } from '../unfinished-name.ts'

/** Where a folder such as `data` lies on another file system, unfinished objects are in it, behind a dot that no key begins with. */
export const HIDDEN = '.'

/** Removes what killed processes left behind. Best effort: what cannot be removed now stays for another time. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  const lives = names.map(name => ({ path: join(folder, name), life: lifeOfNamed(name.replace(/^\./, '')) }))
  for (const { path } of lives.filter(({ life }) => life === 'gone')) await unlink(path).catch(() => {})
  const unknown = lives.filter(({ life }) => life === 'unknown')
  if (unknown.length > 0) await removeOld(unknown.map(({ path }) => path)).catch(() => {})
}

/** Of another host, container or boot. */
async function removeOld(paths: readonly string[]): Promise<void> {
  const now = await fileSystemNow(dirname(paths[0] ?? ''))
  for (const path of paths) {
    const status = await stat(path).catch(() => undefined)
    if (status?.isFile() === true && now - status.mtimeMs > UNFINISHED_OLD_MS) await unlink(path).catch(() => {})
  }
}
