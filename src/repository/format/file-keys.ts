import type { Id } from '../../model/node.ts'
import type { FileType } from '../contract/blob.ts'

/** Folder of each kind of repository file. Packs lie one level deeper, by the first two digits of their id. */
export const FOLDERS = {
  key: 'keys/',
  index: 'index/',
  snapshot: 'snapshots/',
  lock: 'locks/',
  pack: 'data/',
} as const satisfies Record<Exclude<FileType, 'config'>, string>

export const CONFIG_KEY = 'config'

/** Storage key of a repository file. */
export function fileKey(type: Exclude<FileType, 'config'>, id: Id): string {
  return type === 'pack' ? `data/${id.slice(0, 2)}/${id}` : FOLDERS[type] + id
}

/** The id in a storage key, or undefined when the last part is not an id (temporary and foreign files). */
export function idOfKey(key: string): Id | undefined {
  const name = key.slice(key.lastIndexOf('/') + 1)
  return isId(name) ? name : undefined
}

export function isId(text: string): text is Id {
  return text.length === 64 && /^[0-9a-f]{64}$/.test(text)
}

/** As `isId` of each. Only digits in lower case come back as they were, and 100 000 ids are read like this in no time. */
export function areIds(values: readonly unknown[]): values is Id[] {
  if (!values.every(value => typeof value === 'string' && value.length === 64)) return false
  const digits = values.join('')
  return Buffer.from(digits, 'hex').toString('hex') === digits
}

/** The form for people: the first eight digits. */
export function shortId(id: Id): string {
  return id.slice(0, 8)
}
