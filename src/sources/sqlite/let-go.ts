import { constants } from 'node:fs'
import { copyFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { syncFile, syncFolder } from '../../base/durable.ts'
import { findHolders, type Holder, stillOpen } from './holders.ts'
import { likeFile } from './restore-file.ts'
import { unseal } from './seal.ts'

/** SQLite looks for a lock that it waits for every 100 ms at most, so who meets a seal has gone long before. */
const LET_GO_MS = 2000
const PAUSE_MS = 5
/** On a machine that is busy, that time may be a few looks only. */
const LOOKS = 100
/** Where we can't see who has a file open. */
const UNSEEN_WAIT_MS = 300

/**
 * Waits for those who opened a database before it was sealed and left its place. They meet the seal and close it. Some
 * only forget it (a connection that a program drops unclosed lives until its garbage is collected) and open what is at `path`
 * now: to them the sealed file is left for good, and `sealed` becomes a copy of it. Returns who did neither.
 */
export async function letGo(sealed: string, path: string): Promise<readonly Holder[]> {
  const seesAll = process.platform === 'linux' && process.getuid?.() === 0
  if (!seesAll) await setTimeout(UNSEEN_WAIT_MS)
  // By the name that it has now nobody opens it: who does not have it open by now never will.
  let holders = (await findHolders([sealed])).filter(each => each.state !== 'ending')
  const moved = new Set<number>()
  const deadline = performance.now() + LET_GO_MS
  const isToMove = ({ pid }: Holder): boolean => !moved.has(pid)
  for (let look = 0; holders.some(isToMove) && (performance.now() < deadline || look < LOOKS); look++) {
    const pids = holders.map(({ pid }) => pid)
    for (const { pid } of await findHolders([path], pids)) moved.add(pid)
    await setTimeout(PAUSE_MS)
    holders = holders.filter(each => stillOpen(each).length > 0)
  }
  const staying = holders.filter(isToMove)
  if (staying.length === 0 && holders.length > 0) await leaveBehind(sealed)
  return staying
}

/** Unfinished, until it takes the name of the sealed one. */
export function copyOfSealed(sealed: string): string {
  return `${sealed}.lifeboat-copy`
}

/** The same content in a file of its own, which nobody has open. The sealed one goes with the last who has it open. */
async function leaveBehind(sealed: string): Promise<void> {
  const copy = copyOfSealed(sealed)
  try {
    await copyFile(sealed, copy, constants.COPYFILE_FICLONE)
    await likeFile(copy, sealed)
    await unseal(copy)
    await syncFile(copy)
    await rename(copy, sealed)
    await syncFolder(dirname(sealed))
  } catch (error) {
    await rm(copy, { force: true })
    throw error
  }
}
