import { chown } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFoldersDurably } from '../../../beside/sync-written.ts'

/** Whom a cluster's files belong to. */
export interface PlaceOwner {
  readonly uid: number
  readonly gid: number
}

/**
 * Makes a folder for a server's files, and what is missing above it: root gives all that it made to the server's user,
 * who could not pass otherwise.
 */
export async function makePlace(path: string, owner: PlaceOwner | undefined): Promise<void> {
  const first = await makeFoldersDurably(path, 0o700)
  if (first === undefined || owner === undefined || process.getuid?.() !== 0) return
  for (let made = path; ; made = dirname(made)) {
    await chown(made, owner.uid, owner.gid)
    if (made === first || made === dirname(made)) return
  }
}
