import { type BigIntStats, lstatSync, readlinkSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises'
import { throwIfAborted } from '../../base/errors.ts'
import { KernelFileSystems } from '../kernel-file-systems.ts'
import type { CaptureRoot, OwnPaths } from './capture-root.ts'
import type { ExcludePatterns } from './exclusion.ts'
import { SAFE_READ } from './file-content.ts'
import { joinRaw, type RawPath, toBuffer, toName } from './raw-path.ts'

export interface WalkRules {
  readonly patterns: ExcludePatterns
  /** In a folder with one of these files, only that file is captured. */
  readonly markers: readonly Marker[]
  readonly largerThanBytes: number | undefined
  readonly oneFileSystem: boolean
  readonly own: OwnPaths
}

/** A file that marks a folder as not worth keeping: by its name, and where given by how its content begins. */
export interface Marker {
  readonly name: RawPath
  readonly beginning?: string
}

/** @see https://bford.info/cachedir/ */
export const CACHEDIR_TAG: Marker = { name: 'CACHEDIR.TAG', beginning: 'Signature: 8a477f597d28d172789f06886806bc55' }

export interface WalkedEntry {
  /** Relative to the root; '' is the root itself. */
  readonly raw: RawPath
  readonly stat: BigIntStats
  /** False: it was changed so lately that a change right after could leave the same times. */
  readonly settled: boolean
  readonly linkTarget?: string
}

/** Told of everything that was there and can't be walked. `doing` completes "cannot ...". */
export type LostEntry = (raw: RawPath, doing: string, error: unknown) => void

/**
 * How many entries of one folder are looked at together. That is done at once, without Node's thread pool, which would
 * cost several times what the system's call does; and few enough that nothing else waits long for it.
 */
const LOOK_AT = 128

/**
 * The kernel stamps times by a clock that ticks every 1 to 10 ms: two changes within one tick leave the same ctime.
 * A file whose ctime is older than this when it is looked at can't be changed again without a new one.
 */
const TICK_MS = 20
/** File systems without fractions of a second count whole seconds, FAT counts two. */
const COARSE_TICK_MS = 2_000

/**
 * Everything below the root, directories before what is in them, depth first, each directory in the byte order of its
 * names. Holds the names of the open directories only. Never follows a symlink but the root itself.
 */
export class FolderWalk {
  readonly #root: CaptureRoot
  readonly #rules: WalkRules
  readonly #lost: LostEntry
  readonly #signal: AbortSignal
  readonly #kernel = new KernelFileSystems()

  constructor(root: CaptureRoot, rules: WalkRules, lost: LostEntry, signal: AbortSignal) {
    this.#root = root
    this.#rules = rules
    this.#lost = lost
    this.#signal = signal
  }

  async *entries(): AsyncGenerator<WalkedEntry> {
    const { stat, singleFile } = this.#root
    if (singleFile !== undefined) {
      yield* await this.#look('', [singleFile])
      return
    }
    yield { raw: '', stat, settled: true }
    const open: OpenFolder[] = [await this.#openFolder('')]
    for (let folder = open.at(-1); folder !== undefined; folder = open.at(-1)) {
      throwIfAborted(this.#signal)
      const entry = await this.#next(folder)
      if (entry === undefined) {
        open.pop()
        continue
      }
      yield entry
      if (this.#goesInto(entry)) open.push(await this.#openFolder(entry.raw))
    }
  }

  async #next(folder: OpenFolder): Promise<WalkedEntry | undefined> {
    while (folder.looked.length === 0) {
      if (folder.at >= folder.names.length) return undefined
      const names = folder.names.slice(folder.at, folder.at + LOOK_AT)
      folder.at += LOOK_AT
      folder.looked = (await this.#look(folder.raw, names)).reverse()
    }
    return folder.looked.pop()
  }

  #goesInto({ stat, raw }: WalkedEntry): boolean {
    if (!stat.isDirectory()) return false
    if (stat.dev === this.#root.stat.dev) return true
    return !this.#rules.oneFileSystem && !this.#kernel.has(stat.dev, toBuffer(this.#absolute(raw)))
  }

  async #openFolder(raw: RawPath): Promise<OpenFolder> {
    const names = await this.#list(raw)
    return { raw, names, at: 0, looked: [] }
  }

  async #list(raw: RawPath): Promise<readonly RawPath[]> {
    try {
      const names = await readdir(toBuffer(this.#absolute(raw)), { encoding: 'latin1' })
      return (await this.#markersAmong(raw, names)) ?? names.sort()
    } catch (error) {
      this.#lost(raw, 'list folder', error)
      return []
    }
  }

  /** The marking files alone, where there are any: so that a restored cache is still known as one. */
  async #markersAmong(raw: RawPath, names: readonly RawPath[]): Promise<RawPath[] | undefined> {
    const found: RawPath[] = []
    for (const marker of this.#rules.markers) {
      if (!names.includes(marker.name)) continue
      if (await beginsWith(joinRaw(this.#absolute(raw), marker.name), marker.beginning)) found.push(marker.name)
    }
    return found.length === 0 ? undefined : found.sort()
  }

  /** What is known of these names of one folder; excluded and vanished ones left out. */
  async #look(folder: RawPath, names: readonly RawPath[]): Promise<WalkedEntry[]> {
    await breathe()
    const found = names.map(name => this.#lookAt(joinRaw(folder, name)))
    return this.#settle(found.filter(entry => entry !== undefined))
  }

  #lookAt(raw: RawPath): WalkedEntry | undefined {
    try {
      const path = toBuffer(this.#absolute(raw))
      const stat = lstatSync(path, { bigint: true })
      if (this.#excludes(raw, stat)) return undefined
      if (!stat.isSymbolicLink()) return { raw, stat, settled: true }
      const linkTarget = toName(readlinkSync(path, { encoding: 'latin1' }))
      return { raw, stat, settled: true, linkTarget }
    } catch (error) {
      this.#lost(raw, 'look at', error)
      return undefined
    }
  }

  #excludes(raw: RawPath, stat: BigIntStats): boolean {
    const { own, oneFileSystem, largerThanBytes, patterns } = this.#rules
    if (own.has(stat)) return true
    if (oneFileSystem && stat.dev !== this.#root.stat.dev && !stat.isDirectory()) return true
    if (largerThanBytes !== undefined && stat.isFile() && stat.size > BigInt(largerThanBytes)) return true
    return patterns.excludes(toName(raw), stat.isDirectory())
  }

  /** Waits out the clock's tick for files that were changed in it, and looks at them again. */
  async #settle(entries: readonly WalkedEntry[]): Promise<WalkedEntry[]> {
    const fresh = new Set(entries.filter(entry => isFresh(entry.stat)))
    if (fresh.size === 0) return [...entries]
    if ([...fresh].some(entry => !isCoarse(entry.stat))) await sleep(TICK_MS)
    const settled = entries.map(entry => {
      if (!fresh.has(entry)) return entry
      const again = isCoarse(entry.stat) ? entry : this.#lookAt(entry.raw)
      return again && { ...again, settled: !isFresh(again.stat) }
    })
    return settled.filter(entry => entry !== undefined)
  }

  #absolute(raw: RawPath): RawPath {
    return joinRaw(this.#root.folder, raw)
  }
}

interface OpenFolder {
  readonly raw: RawPath
  readonly names: readonly RawPath[]
  at: number
  /** Looked at but not yet given out, last first. */
  looked: WalkedEntry[]
}

/** Was the file changed less than a tick ago, so that another change could leave the same times? */
export function isFresh(stat: BigIntStats): boolean {
  if (!stat.isFile()) return false
  const ageMs = Date.now() - Number(stat.ctimeNs / 1_000_000n)
  return ageMs > -COARSE_TICK_MS && ageMs < (isCoarse(stat) ? COARSE_TICK_MS : TICK_MS)
}

function isCoarse(stat: BigIntStats): boolean {
  return stat.ctimeNs % 1_000_000_000n === 0n
}

async function beginsWith(path: RawPath, beginning: string | undefined): Promise<boolean> {
  if (beginning === undefined) return true
  const file = await open(toBuffer(path), SAFE_READ).catch(() => undefined)
  if (file === undefined) return false
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(beginning.length), 0, beginning.length, 0)
    return buffer.toString('latin1', 0, bytesRead) === beginning
  } catch {
    return false
  } finally {
    await file.close()
  }
}
