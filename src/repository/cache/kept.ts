import { join } from 'node:path'
import type { Cipher } from '../crypto/cipher.ts'
import { KeptContents } from './kept-content.ts'
import { KeptObjects, type KeptObjectsOptions } from './kept-objects.ts'
import { KeptPacks } from './kept-packs.ts'

/** What is kept on this machine of a far repository, beside its index and its list of snapshots. */
export interface Kept {
  readonly packs: KeptPacks
  readonly contents: KeptContents
}

/** @param cacheDir the repository's own */
export function openKept(cacheDir: string, cipher: Cipher, options: Omit<KeptObjectsOptions, 'folder'>): Kept {
  const objects = new KeptObjects({ ...options, folder: join(cacheDir, 'kept') })
  return { packs: new KeptPacks(objects), contents: new KeptContents(objects, cipher) }
}
