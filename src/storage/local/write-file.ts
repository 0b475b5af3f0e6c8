import { type FileHandle, open } from 'node:fs/promises'
import { type FolderOwner, giveFile } from '../../base/folder-owner.ts'
import { writePastCache } from './past-cache.ts'

/** Creates the file, as the owner of its folder has them, with these parts; returns when it is on the disk. */
export async function writeDurably(path: string, parts: readonly Uint8Array[], owner: FolderOwner): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await giveFile(file, owner)
    const written = await writePastCache(path, parts)
    await writeAll(file, after(parts, written), written)
    await file.sync()
  } finally {
    await file.close()
  }
}

// Not `writeFile`: it cuts what it is given into pieces of its own; `writev` takes all parts where they are.
async function writeAll(file: FileHandle, parts: readonly Uint8Array[], position: number): Promise<void> {
  let at = position
  for (let rest = parts.filter(part => part.length > 0); rest.length > 0; ) {
    const { bytesWritten } = await file.writev(rest.slice(0, 1024), at)
    at += bytesWritten
    rest = after(rest, bytesWritten)
  }
}

/** What is left of the parts without their first bytes. */
function after(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = []
  let skip = bytes
  for (const part of parts) {
    if (skip < part.length) left.push(skip === 0 ? part : part.subarray(skip))
    skip = Math.max(0, skip - part.length)
  }
  return left
}
