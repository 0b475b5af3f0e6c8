import { type BigIntStats, statSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SESSION_MARK } from './session.ts'

export interface Holder {
  readonly pid: number
  /** The program's name, as the kernel has it. */
  readonly program: string
  /**
   * `orphan`: a session of ours whose starter was killed; it ends as soon as SQLite lets it, or when it is killed. `ending`:
   * whoever it was, it has given its memory back already, and its files will follow in a moment.
   */
  readonly state: 'living' | 'orphan' | 'ending'
  /** What it has open, as `/proc` shows it. */
  readonly open: readonly OpenFile[]
}

interface OpenFile {
  /** `/proc/PID/fd/N`. */
  readonly link: string
  readonly dev: bigint
  readonly ino: bigint
}

/**
 * Which processes have one of these files open? From `/proc`, so on Linux only, and only processes we may look into: all
 * for root, else our own user's. Elsewhere none. `among`: looks at these processes alone.
 */
export async function findHolders(paths: readonly string[], among?: readonly number[]): Promise<Holder[]> {
  const files = (await Promise.all(paths.map(path => stat(path, { bigint: true }).catch(() => undefined)))).filter(
    (file): file is BigIntStats => file !== undefined,
  )
  if (files.length === 0) return []
  const pids = among?.map(String) ?? (await readdir('/proc').catch(() => [])).filter(name => /^\d+$/.test(name))
  const holders: Holder[] = []
  for (const pid of pids) {
    const open = await openOf(pid, files)
    if (open.length === 0) continue
    const program = await readFile(join('/proc', pid, 'comm'), 'utf8').catch(() => 'a program')
    holders.push({ pid: Number(pid), program: program.trim(), state: await stateOf(pid), open })
  }
  return holders
}

/**
 * What it has open still, looked at in microseconds and at once: a program that opens, writes and closes is seen in the
 * moment in which it has it closed.
 */
export function stillOpen({ open }: Pick<Holder, 'open'>): OpenFile[] {
  return open.filter(({ link, dev, ino }) => {
    try {
      const now = statSync(link, { bigint: true, throwIfNoEntry: false })
      return now?.ino === ino && now.dev === dev
    } catch {
      return false
    }
  })
}

async function stateOf(pid: string): Promise<Holder['state']> {
  const words = await readFile(join('/proc', pid, 'cmdline'), 'utf8').catch(() => '')
  // Read after the words: without memory now, there may have been none to read.
  const status = await readFile(join('/proc', pid, 'status'), 'utf8').catch(() => '')
  if (!/^VmSize:/m.test(status)) return 'ending'
  const starter = words.split(`\0${SESSION_MARK}\0`)[1]?.split('\0')[0]
  if (starter === undefined) return 'living'
  return /^PPid:\s*(\d+)$/m.exec(status)?.[1] === starter ? 'living' : 'orphan'
}

async function openOf(pid: string, files: readonly BigIntStats[]): Promise<OpenFile[]> {
  const folder = join('/proc', pid, 'fd')
  const names = await readdir(folder).catch(() => [])
  const links = names.map(name => join(folder, name))
  const found = await Promise.all(links.map(link => stat(link, { bigint: true }).catch(() => undefined)))
  return found.flatMap((fd, at) => {
    const isOne = fd !== undefined && files.some(file => file.ino === fd.ino && file.dev === fd.dev)
    return isOne ? [{ link: links[at] ?? '', dev: fd.dev, ino: fd.ino }] : []
  })
}
