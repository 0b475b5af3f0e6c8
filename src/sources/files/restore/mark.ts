import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { NEW_RESTORE_MARKER, RESTORE_MARKER } from '../../../model/restore-marker.ts'
import { joinRaw, type RawPath, toBuffer } from '../raw-path.ts'
import { syncFolder } from './durable.ts'

const LIMIT_BYTES = 4096
const SHAPE = /^snapshot ([0-9a-f]{64})(, over what was there)?\n(?:parts ([0-9a-f]{64})\n)?/

/** What an unfinished restore leaves behind. */
export interface Mark {
  readonly snapshot: string
  /** Files that it has not come to may look like finished ones: nothing of it is to be taken for done. */
  readonly over: boolean
  /** Which parts were asked for, as `partsOf` tells; '' is all. */
  readonly parts: string
}

export function partsOf(include: readonly string[]): string {
  return include.length === 0
    ? ''
    : createHash('sha256')
        .update(JSON.stringify([...include].sort()))
        .digest('hex')
}

/** The mark while `mine` is at work: some part of what another one left may still be missing when it is done. */
export function markOver(mine: Mark, before: Mark | undefined): Mark {
  if (before === undefined || ends(mine, before)) return mine
  return { snapshot: before.snapshot, over: mine.over || before.over, parts: '' }
}

/** Does the end of `mine` make good what `before` left undone? */
export function ends(mine: Mark, before: Mark): boolean {
  return mine.parts === '' || mine.parts === before.parts
}

/** Undefined: there is none, or none of ours. */
export async function readMark(folder: RawPath): Promise<Mark | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(toBuffer(joinRaw(folder, RESTORE_MARKER)), flags).catch(() => undefined)
  if (file === undefined) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LIMIT_BYTES), 0, LIMIT_BYTES, 0)
    const found = SHAPE.exec(buffer.toString('latin1', 0, bytesRead))
    const [, snapshot, over, parts = ''] = found ?? []
    return snapshot === undefined ? undefined : { snapshot, over: over !== undefined, parts }
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

/** Durable when it returns. One that is there is replaced at once: the folder is never without. */
export async function writeMark(folder: RawPath, { snapshot, over, parts }: Mark): Promise<void> {
  const path = toBuffer(joinRaw(folder, NEW_RESTORE_MARKER))
  await rm(path, { force: true })
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600)
  try {
    const first = `snapshot ${snapshot}${over ? ', over what was there' : ''}\n${parts && `parts ${parts}\n`}`
    await file.writeFile(`${first}A restore into this folder has not finished. Start it again to go on.\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(path, toBuffer(joinRaw(folder, RESTORE_MARKER)))
  await syncFolder(folder)
}

export async function removeMark(folder: RawPath): Promise<void> {
  await rm(toBuffer(joinRaw(folder, RESTORE_MARKER)), { force: true })
  await syncFolder(folder)
}
