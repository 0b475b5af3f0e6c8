import { randomBytes } from 'node:crypto'
import { ownerName } from '../base/process-life.ts'

/**
 * Where adapters that move objects into place have them while they are written: `<repository>/tmp`, the folder that restic's
 * layout sets aside. Neither restic nor `list` sees them there. A name says who writes: see `ownerName`.
 */
export const UNFINISHED_FOLDER = 'tmp'

/** Unfinished objects of which nothing else is known are given up at this age: one is written in seconds. */
export const UNFINISHED_OLD_MS = 24 * 60 * 60 * 1000

export function unfinishedName(prefix = ''): string {
  return `${prefix}${ownerName()}-${randomBytes(8).toString('hex')}`
}
