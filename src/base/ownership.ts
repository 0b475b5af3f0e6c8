import type { Stats } from 'node:fs'
import { lstat, readFile, readlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { systemCode } from './errors.ts'

/** What is wrong with a place that somebody else could have written. */
export interface Stranger {
  /** The file, or a folder or link on the way to it. */
  readonly path: string
  /** `belongs to user bob (1001)`, `can be written by everyone (mode 0666)`. */
  readonly why: string
  /** A sentence: what mends it. */
  readonly mend: string
}

/** As many links as Linux follows. */
const MOST_LINKS = 40
const [OTHERS_WRITE, GROUP_WRITES, STICKY] = [0o002, 0o020, 0o1000]

/**
 * `read`: from the handle that was judged, so whoever may write to its folder can only put a file of their own there, which
 * is refused for its owner. `run`: by its path, later; so whoever may write to a folder on the way could exchange it.
 */
export type Use = 'read' | 'run'

/**
 * Could anybody but us and root have written this file, or put it there? Looks at the opened file itself, at every link
 * that leads to it, and at every folder for what is run, as ssh's StrictModes does. Undefined when nobody could.
 */
export async function findStranger(path: string, opened: Stats, use: Use): Promise<Stranger | undefined> {
  const found = await judge(path, opened)
  // What was handed to us by descriptor lies in no folder of its own.
  if (found !== undefined || isHandedOver(path)) return found
  let last: Stats | undefined
  for await (const place of placesOnTheWay(resolve(path))) {
    const matters = use === 'run' || !place.stat.isDirectory()
    const stranger = matters ? await judge(place.path, place.stat) : undefined
    if (stranger !== undefined) return stranger
    last = place.stat
  }
  if (last?.ino === opened.ino && last.dev === opened.dev) return undefined
  return { path, why: 'was replaced while it was read', mend: 'Try again.' }
}

/** `/dev/stdin`, `/dev/fd/63`: whoever started us opened it. */
export function isHandedOver(path: string): boolean {
  return /^\/(dev\/(stdin$|fd\/)|proc\/[^/]+\/fd\/)/.test(path)
}

/** Every folder and link from the root to what a path means, and that itself at the end. */
async function* placesOnTheWay(path: string): AsyncGenerator<{ readonly path: string; readonly stat: Stats }> {
  let at = '/'
  let links = 0
  const names = path.split('/')
  yield { path: at, stat: await lstat(at) }
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '' || name === '.') continue
    const next = name === '..' ? dirname(at) : join(at, name)
    const stat = await lstat(next)
    yield { path: next, stat }
    if (!stat.isSymbolicLink()) {
      at = next
      continue
    }
    if (++links > MOST_LINKS) throw Object.assign(new Error(`too many links: ${path}`), { code: 'ELOOP' })
    const target = await readlink(next)
    if (target.startsWith('/')) at = '/'
    names.unshift(...target.split('/'))
  }
}

async function judge(path: string, { uid, gid, mode }: Stats): Promise<Stranger | undefined> {
  const trusted = trustedUsers()
  if (!trusted.includes(uid)) {
    const [us = 0] = trusted
    const name = await nameUser(uid)
    const mend = `Run Lifeboat as that user, or make it yours with "sudo chown ${us} ${path}".`
    return { path, why: `belongs to user ${name}`, mend }
  }
  // The mode of a link means nothing; in a sticky folder only owners can remove or rename.
  const type = mode & 0o170000
  if (type === 0o120000 || (type === 0o040000 && (mode & STICKY) !== 0)) return undefined
  const octal = (mode & 0o7777).toString(8).padStart(4, '0')
  if ((mode & OTHERS_WRITE) !== 0) {
    return { path, why: `can be written by everyone (mode ${octal})`, mend: `Run "chmod go-w ${path}".` }
  }
  if ((mode & GROUP_WRITES) === 0 || (await isOwnersGroup(gid, uid, trusted))) return undefined
  return {
    path,
    why: `can be written by group ${await nameGroup(gid)} (mode ${octal})`,
    mend: `Run "chmod g-w ${path}".`,
  }
}

/** We first, and root; for root under sudo the user who called it, as git takes it. */
function trustedUsers(): number[] {
  const us = process.geteuid?.() ?? 0
  const caller = process.env['SUDO_UID']
  return [us, 0, ...(us === 0 && caller !== undefined && /^\d+$/.test(caller) ? [Number(caller)] : [])]
}

/**
 * A group that nobody is in but those we trust: with umask 002 each user has one. Of a group that this machine does not
 * know, as in a container, the number is all there is.
 */
async function isOwnersGroup(gid: number, owner: number, trusted: readonly number[]): Promise<boolean> {
  if (gid === 0) return true
  const users = await readDatabase('/etc/passwd')
  const group = (await readDatabase('/etc/group')).find(fields => Number(fields[2]) === gid)
  if (group === undefined) return gid === owner
  const members = (group[3] ?? '').split(',').filter(name => name !== '')
  const primary = users.filter(fields => Number(fields[3]) === gid).map(fields => Number(fields[2]))
  const named = members.map(name => Number(users.find(fields => fields[0] === name)?.[2] ?? Number.NaN))
  return [...primary, ...named].every(uid => trusted.includes(uid))
}

async function nameUser(uid: number): Promise<string> {
  const name = (await readDatabase('/etc/passwd')).find(fields => Number(fields[2]) === uid)?.[0]
  return name === undefined ? String(uid) : `${name} (${uid})`
}

async function nameGroup(gid: number): Promise<string> {
  return (await readDatabase('/etc/group')).find(fields => Number(fields[2]) === gid)?.[0] ?? String(gid)
}

/** @see https://man7.org/linux/man-pages/man5/group.5.html */
async function readDatabase(file: string): Promise<string[][]> {
  try {
    const text = await readFile(file, 'utf8')
    return text
      .split('\n')
      .filter(line => /^[^#:]+:/.test(line))
      .map(line => line.split(':'))
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return []
  }
}
