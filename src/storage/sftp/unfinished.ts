import { basename, dirname } from 'node:path/posix'
import { lifeOfNamed } from '../../base/process-life.ts'
import type { SftpClient } from '../../clients/sftp/index.ts'
import { UNFINISHED_OLD_MS } from '../unfinished-name.ts'

/**
 * Removes what killed processes left beside an unfinished file that was begun just now, by whose time the server's clock is
 * known. Best effort: what cannot be removed now stays for another time.
 */
export async function removeUnfinished(client: SftpClient, ownPath: string): Promise<void> {
  const folder = dirname(ownPath)
  const entries = await client.listFolder(folder).catch(() => [])
  const now = entries.find(({ name }) => name === basename(ownPath))?.modifiedAt
  for (const { name, kind, modifiedAt } of entries) {
    const life = lifeOfNamed(name)
    const isOld = now !== undefined && modifiedAt !== undefined && Number(now) - Number(modifiedAt) > UNFINISHED_OLD_MS
    const isLeft = life === 'gone' || (life === 'unknown' && isOld)
    if (kind !== 'folder' && isLeft) await client.remove(`${folder}/${name}`).catch(() => undefined)
  }
}
