import { forEachLimit } from '../../base/concurrency.ts'
import type { Id } from '../../model/node.ts'
import type { Storage } from '../../storage/storage.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { FOLDERS, idOfKey } from '../format/file-keys.ts'
import { isParityWhole, surveyParity } from '../parity/survey-parity.ts'
import type { Damage } from './damage.ts'

/** Has everything parity where anything has, and is it whole? That of packs is read where the pack is. */
export async function checkParity(
  { storage, files }: { readonly storage: Storage; readonly files: RepositoryFiles },
  packsRead: ReadonlySet<Id>,
  damage: Damage,
  signal: AbortSignal,
): Promise<void> {
  const { present, missing, orphaned } = await surveyParity(storage, files, signal)
  const isRead = (key: string): boolean => !key.startsWith(FOLDERS.pack) || packsRead.has(idOfKey(key) ?? '')
  const toRead = packsRead.size > 0 ? present.filter(isRead) : []
  const bad: string[] = []
  await forEachLimit(toRead, storage.traits.concurrency, async key => {
    if (!(await isParityWhole(storage, key, signal))) bad.push(key)
  })
  const add = (code: string, severity: 'info' | 'warning', keys: readonly string[], message: string, hint: string) => {
    const more = keys.length > 1 ? ` and ${keys.length - 1} more` : ''
    if (keys.length > 0) damage.add({ severity, code, subject: `${keys[0]}${more}`, message, hint }, [])
  }
  const WRITE = 'Run "lifeboat repair parity" to write it.'
  add('parity-damaged', 'warning', bad, 'the parity is damaged', WRITE)
  add('parity-missing', 'info', missing, 'there is no parity, as other files here have', WRITE)
  const PRUNE = 'Run "lifeboat prune" to remove it.'
  add('parity-orphaned', 'info', orphaned, 'this is parity of a file that is gone', PRUNE)
}
