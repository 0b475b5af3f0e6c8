import { type FileHandle, open } from 'node:fs/promises'
import type { Throttle } from '../../base/bandwidth.ts'
import { type FolderOwner, giveFile } from '../../base/folder-owner.ts'
import { writePastCache } from './past-cache.ts'

export interface FileToWrite {
  readonly parts: readonly Uint8Array[]
  /** Of its folder. */
  readonly owner: FolderOwner
  /** Undefined: as fast as it goes. */
  readonly throttle?: Throttle | undefined
  readonly signal?: AbortSignal | undefined
}

/** Creates the file, as the owner of its folder has them, with these parts; returns when it is on the disk. */
export async function writeDurably(path: string, { parts, owner, throttle, signal }: FileToWrite): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await giveFile(file, owner)
    if (throttle) await writeSlowly(file, parts, throttle, signal)
    else {
      const written = await writePastCache(path, parts)
      await writeAll(file, after(parts, written), written)
    }
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

/** Brought to the disk slice by slice: what the cache takes at once would go over a line at once. */
async function writeSlowly(
  file: FileHandle,
  parts: readonly Uint8Array[],
  throttle: Throttle,
  signal: AbortSignal | undefined,
): Promise<void> {
  let position = 0
  for (const part of parts) {
    for (let at = 0; at < part.length; ) {
      const slice = part.subarray(at, at + (throttle.sliceBytes ?? part.length))
      await throttle.take(slice.length, signal)
      await writeAll(file, [slice], position)
      await file.datasync()
      at += slice.length
      position += slice.length
    }
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
