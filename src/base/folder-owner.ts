import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Whose what is made in a folder is to be. */
export interface FolderOwner {
  readonly uid: number
  readonly gid: number
  /** What the group may do in it: 0, or the bits of 0o070, where the folder is shared by a group. */
  readonly groupBits: number
  readonly setgid: number
}

const GROUP_WRITES = 0o020
const OTHERS_WRITE = 0o002

/**
 * What is made in a folder belongs to whom the folder belongs to: one backup by root must not lock a user out of the
 * user's own repository. A folder that its group may write to, and nobody else, is shared on purpose.
 */
export async function ownerOfFolder(folder: string): Promise<FolderOwner> {
  return ownerBy(await stat(folder))
}

function ownerBy({ uid, gid, mode }: Pick<Stats, 'uid' | 'gid' | 'mode'>): FolderOwner {
  const isShared = (mode & GROUP_WRITES) !== 0 && (mode & OTHERS_WRITE) === 0
  return { uid, gid, groupBits: isShared ? mode & 0o070 : 0, setgid: isShared ? mode & 0o2000 : 0 }
}

/** Gives a file that was just made, 0600, to the owner of its folder. */
export async function giveFile(file: FileHandle, owner: FolderOwner): Promise<void> {
  await give(file, owner, 0o600 | (owner.groupBits & 0o060))
}

/** Gives a folder that was just made, 0700, to the owner of the one that holds it. */
export async function giveFolder(path: string, owner: FolderOwner): Promise<void> {
  if (!isRoot() && owner.groupBits === 0) return
  // By a handle: who may write to the folder above could put a link in its place.
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await give(folder, owner, 0o700 | owner.groupBits | owner.setgid)
  } finally {
    await folder.close()
  }
}

async function give(made: FileHandle, owner: FolderOwner, mode: number): Promise<void> {
  const isShared = owner.groupBits !== 0
  if (isRoot() && (owner.uid !== 0 || isShared)) await made.chown(owner.uid, owner.gid)
  // The umask may have taken what the group needs; a group that one is not in can't be given.
  if (!isShared) return
  if (!isRoot()) await made.chown(-1, owner.gid).catch(() => {})
  await made.chmod(mode)
}

/** Gives what root made below a folder to the folder's owner, where that is another one. Best effort. */
export async function giveAllBelow(folder: string): Promise<void> {
  if (!isRoot()) return
  const owner = await ownerOfFolder(folder).catch(() => undefined)
  if (owner === undefined || owner.uid === 0) return
  for await (const { path, status } of walk(folder)) {
    if (status.uid === 0 && (status.isDirectory() || status.nlink === 1)) await giveOne(path, owner).catch(() => {})
  }
}

async function giveOne(path: string, { uid, gid }: FolderOwner): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    await file.chown(uid, gid)
  } finally {
    await file.close()
  }
}

export interface StrangersFiles {
  readonly count: number
  readonly example: string
  readonly owner: FolderOwner
}

/** What lies below a folder, belongs to another user than the folder, and is not shared with its group. */
export async function findStrangersFiles(folder: string): Promise<StrangersFiles | undefined> {
  const owner = await ownerOfFolder(folder)
  let count = 0
  let example = ''
  for await (const { path, status } of walk(folder)) {
    const needed = status.isDirectory() ? 0o070 : 0o060
    const isShared = owner.groupBits !== 0 && status.gid === owner.gid && (status.mode & needed) === needed
    if (status.uid === owner.uid || isShared) continue
    if (count++ === 0) example = path
  }
  return count === 0 ? undefined : { count, example, owner }
}

/** Files and folders below, links not followed; what can't be looked at is left out. */
async function* walk(folder: string): AsyncGenerator<{ readonly path: string; readonly status: Stats }> {
  const pending = [folder]
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const name of await readdir(current).catch(() => [])) {
      const path = join(current, name)
      const status = await lstat(path).catch(() => undefined)
      if (status === undefined || !(status.isFile() || status.isDirectory())) continue
      yield { path, status }
      if (status.isDirectory()) pending.push(path)
    }
  }
}

function isRoot(): boolean {
  return process.geteuid?.() === 0
}
