import { CONFIG_KEY, FOLDERS, idOfKey } from '../format/file-keys.ts'

/** Beside restic's folders, which never look here. */
export const PARITY_FOLDER = 'parity/'

const PROTECTED = [FOLDERS.pack, FOLDERS.index, FOLDERS.snapshot, FOLDERS.key]

/** Locks come and go, and what else lies here is not restic's. */
export function isProtected(key: string): boolean {
  return key === CONFIG_KEY || (idOfKey(key) !== undefined && PROTECTED.some(folder => key.startsWith(folder)))
}

/** `parity/data/ab/abcd...` */
export const parityKey = (key: string): string => PARITY_FOLDER + key

/** Of what is all of it needed? Little, and without it much else is lost. */
export const isMetadata = (key: string): boolean => !key.startsWith(FOLDERS.pack)
