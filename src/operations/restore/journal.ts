import { link, lstat, readdir, readFile, rename, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { createNewFile, replaceFile } from '../../base/new-file.ts'
import { lifeOf, type Owner, thisProcess } from '../../base/process-life.ts'
import { findSilence, giveSign, keepGivingSigns, removeSigns } from '../../base/signs-of-life.ts'
import { isOfFuture } from '../../model/recovery-point.ts'

/** How a restore changes its target. */
export const STRATEGIES = ['replace', 'in-place', 'tables', 'merge'] as const
export type Strategy = (typeof STRATEGIES)[number]

/**
 * `preparing`: the target is as it was. `changing`: it may be either, or a mixture where it is rewritten in place.
 * `changed`: the new one is in place, whole, and what was there can still be put back. The others are ends.
 */
export const PHASES = ['preparing', 'changing', 'changed', 'done', 'failed', 'rolled-back'] as const
export type Phase = (typeof PHASES)[number]

const entry = z.object({
  format: z.literal(1),
  run: z.string(),
  operation: z.enum(['restore', 'undo']),
  source: z.string(),
  kind: z.string(),
  strategy: z.enum(STRATEGIES),
  target: z.string(),
  places: z.array(z.string()),
  repository: z.string(),
  snapshot: z.string(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime().optional(),
  owner: z.object({ hostname: z.string(), pid: z.number(), start: z.string().optional() }),
  phase: z.enum(PHASES),
  existed: z.boolean(),
  keepAs: z.string(),
  kept: z.array(z.object({ target: z.string(), kept: z.string() })),
  safety: z.object({ repository: z.string(), snapshot: z.string() }).optional(),
  hookRan: z.boolean(),
  undoOf: z.string().optional(),
  tookKeptAs: z.string().optional(),
  token: z.string().optional(),
  tables: z
    .object({
      changed: z.array(z.string()),
      created: z.array(z.object({ kind: z.string(), schema: z.string().optional(), name: z.string() })),
      added: z.record(z.string(), z.number()).optional(),
    })
    .optional(),
  files: z
    .object({
      repository: z.string(),
      snapshot: z.string(),
      include: z.array(z.string()),
      deletes: z.boolean().optional(),
      removed: z.string().optional(),
    })
    .optional(),
  safeState: z.string().optional(),
  keptIsSafe: z.boolean().optional(),
  undoneBy: z.string().optional(),
})

/**
 * What one restore did to a target, written before it does it. Never holds a secret: `target` is named without its
 * password. `existed`: there was something at the target. `kept`: what the swap took away and still lies beside. `safety`: the recovery point of what was there.
 * `places`: all that the restore may change, as its plan said: more than the target where that is a server of several databases.
 * `tables`: what a change of rows changed and made; nothing else of the target did. `added`: by a merge, how many rows to which.
 * `files`: a folder was written into; these paths of this snapshot (none: all) were changed in it, and nothing else.
 * `deletes`: what the snapshot has not was removed, all of it is in `safety`. `removed`: an undo put back what this snapshot
 * has and a restore had removed.
 * `token`: of the transaction that makes the change, for the adapter to tell whether it was committed; or the state of what
 * a swap puts in place, to tell whether anybody wrote to it since.
 * `safeState`: the target's, when `safety` was taken. `keptIsSafe`: what is kept holds nothing that `safety` does not.
 * `tookKeptAs`: an undo put what was kept under this name into the target's place.
 */
export type JournalEntry = Readonly<z.output<typeof entry>>

/** A merge of what was there already. */
export function changedNothing({ tables }: JournalEntry): boolean {
  return tables !== undefined && tables.changed.length === 0 && tables.created.length === 0
}

export type NewEntry = Pick<
  JournalEntry,
  | 'run'
  | 'operation'
  | 'source'
  | 'kind'
  | 'strategy'
  | 'target'
  | 'places'
  | 'existed'
  | 'repository'
  | 'snapshot'
  | 'keepAs'
  | 'undoOf'
  | 'tookKeptAs'
> &
  Partial<Pick<JournalEntry, 'files'>>

/** The newest this many ended restores can be undone. */
const KEPT_ENTRIES = 100
/** A process that can't be looked at, and was silent this long, is taken for gone. */
export const SILENCE_MINUTES = 30
/** The same where the machine of that name has started anew since: nobody waits for half an hour after a power cut. */
const REBOOT_SILENCE_MINUTES = 3
const ENDS: ReadonlySet<Phase> = new Set(['done', 'failed', 'rolled-back'])

/** Has it come to an end, a good one or not? */
export function isEnded({ phase }: Pick<JournalEntry, 'phase'>): boolean {
  return ENDS.has(phase)
}

/** The journal of restores: a file each, in the state folder, whole and durable at every moment. */
export class RestoreJournal {
  readonly #folder: string
  readonly #clock: Clock

  /** `stateFolder` exists and is private. */
  constructor(stateFolder: string, clock: Clock) {
    this.#folder = join(stateFolder, 'restores')
    this.#clock = clock
  }

  async begin(fresh: NewEntry): Promise<JournalEntry> {
    await makeFolders(this.#folder, 0o700).catch((error: unknown) => {
      throw this.#unwritable(error)
    })
    const startedAt = this.#clock.now().toISOString()
    const begun: JournalEntry = {
      format: 1,
      ...fresh,
      startedAt,
      owner: thisProcess(),
      phase: 'preparing',
      kept: [],
      hookRan: false,
    }
    await giveSign(this.#pathOf(begun))
    await this.#write(begun)
    return begun
  }

  /** Durable when it returns. `target-in-use` when another process took this one for dead and brought it to its end. */
  async update(before: JournalEntry, change: Partial<JournalEntry>): Promise<JournalEntry> {
    if (!isEnded(before)) await this.#requireUnended(before)
    const ended = change.phase !== undefined && ENDS.has(change.phase)
    const after = { ...before, ...change, ...(ended ? { finishedAt: this.#clock.now().toISOString() } : {}) }
    await this.#write(after)
    if (ended) {
      await removeSigns(this.#pathOf(after))
      await this.#removeOldest()
    }
    return after
  }

  /** A process that was stopped for half an hour, with its container say, must not go on where others cleaned up. */
  async #requireUnended({ run, target }: JournalEntry): Promise<void> {
    const now = await this.#read(`${run}.json`)
    if (now === undefined || !isEnded(now)) return
    throw new AppError('target-in-use', `another command took this restore into ${target} for dead and ended it`, {
      hint: 'Look at what is there with "lifeboat undo --list", then restore again.',
    })
  }

  /** Oldest first. Those that can't be read are left out: see `listUnreadable`. */
  async list(): Promise<JournalEntry[]> {
    const entries = await Promise.all((await this.#names()).map(name => this.#read(name)))
    const found = entries.filter(each => each !== undefined)
    // What a wrong clock put into the future must not be the last restore for years.
    const now = this.#clock.now()
    const order = ({ startedAt }: JournalEntry): string => (isOfFuture(new Date(startedAt), now) ? '' : startedAt)
    return found.toSorted((a, b) => (order(a) < order(b) ? -1 : order(a) > order(b) ? 1 : 0))
  }

  /** Paths of entries that are damaged, or written by a newer version: each may be of a restore that was interrupted. */
  async listUnreadable(): Promise<string[]> {
    const names = await this.#names()
    const entries = await Promise.all(names.map(name => this.#read(name)))
    const unreadable = names.filter((_, index) => entries[index] === undefined).map(name => join(this.#folder, name))
    // One that was removed meanwhile, as the oldest are, is none.
    const there = await Promise.all(unreadable.map(path => lstat(path).catch(() => undefined)))
    return unreadable.filter((_, index) => there[index] !== undefined)
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter(name => name.endsWith('.json'))
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return []
      throw new AppError('failed', `cannot read the journal of restores in ${this.#folder}: ${messageOf(error)}`, {
        hint: 'It must be a folder that this user may read: without it, nobody knows what an interrupted restore left.',
        cause: error,
      })
    }
  }

  /** Those whose process is gone before they came to an end. */
  async listInterrupted(): Promise<JournalEntry[]> {
    return await this.#listUnended(true)
  }

  /** Those that are being carried out right now. */
  async listRunning(): Promise<JournalEntry[]> {
    return await this.#listUnended(false)
  }

  async #listUnended(abandoned: boolean): Promise<JournalEntry[]> {
    const unended = (await this.list()).filter(each => !ENDS.has(each.phase))
    const are = await Promise.all(unended.map(each => this.#isAbandoned(each)))
    return unended.filter((_, index) => are[index] === abandoned)
  }

  async #isAbandoned(entry: JournalEntry): Promise<boolean> {
    return await isGone(this.#pathOf(entry), entry.owner)
  }

  /** Gives signs of life for one that is being carried out, until the returned function is called. */
  keepFresh(entry: JournalEntry): () => void {
    return keepGivingSigns(this.#pathOf(entry))
  }

  #pathOf({ run }: Pick<JournalEntry, 'run'>): string {
    return join(this.#folder, `${run}.json`)
  }

  /**
   * Takes over what an interrupted restore left, so that of two commands only one mends it. Undefined: another one has
   * it, or it has come to an end meanwhile. The lock is released by the caller.
   */
  async claim({ run }: JournalEntry): Promise<{ entry: JournalEntry; release(): Promise<void> } | undefined> {
    const path = join(this.#folder, `${run}.claim`)
    const me = JSON.stringify(thisProcess())
    try {
      // Whole from its first moment: one that can't be read would be nobody's, and stay for ever.
      if (!(await createNewFile(path, me, 0o600))) {
        if (!(await isLeftBehind(path))) return undefined
        await this.#seize(path)
        if (!(await createNewFile(path, me, 0o600))) return undefined
      }
    } catch (error) {
      throw this.#unwritable(error)
    }
    await giveSign(path)
    const stopSigns = keepGivingSigns(path)
    const release = async (): Promise<void> => {
      stopSigns()
      await removeSigns(path)
      await rm(path, { force: true })
    }
    const now = await this.#read(`${run}.json`)
    if (now !== undefined && !ENDS.has(now.phase)) return { entry: now, release }
    await release()
    return undefined
  }

  /** Is somebody bringing this one to its end right now? */
  async isClaimed({ run }: JournalEntry): Promise<boolean> {
    const path = join(this.#folder, `${run}.claim`)
    return (await lstat(path).catch(() => undefined)) !== undefined && !(await isLeftBehind(path))
  }

  /** Of several that find the same claim left behind, one gets it out of the way; no other one's fresh claim goes. */
  async #seize(path: string): Promise<void> {
    const aside = `${path}.${process.pid}`
    await rename(path, aside).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error
    })
    // Between the look and the renaming another one may have made its own.
    const isOther = !(await isLeftBehind(aside))
    if (isOther) await link(aside, path).catch(() => {})
    await rm(aside, { force: true })
  }

  async #write(content: JournalEntry): Promise<void> {
    try {
      await replaceFile(join(this.#folder, `${content.run}.json`), `${JSON.stringify(content, null, 2)}\n`, 0o600)
    } catch (error) {
      throw this.#unwritable(error)
    }
  }

  async #read(name: string): Promise<JournalEntry | undefined> {
    try {
      return entry.parse(JSON.parse(await readFile(join(this.#folder, name), 'utf8')))
    } catch {
      return undefined
    }
  }

  async #removeOldest(): Promise<void> {
    const ended = (await this.list()).filter(each => ENDS.has(each.phase))
    for (const entry of ended.slice(0, -KEPT_ENTRIES)) await rm(this.#pathOf(entry), { force: true })
  }

  #unwritable(cause: unknown): AppError {
    return new AppError('failed', `cannot write the journal of restores in ${this.#folder}: ${messageOf(cause)}`, {
      hint: 'Nothing is restored without it. Check that you may write there and that the disk is not full.',
      cause,
    })
  }
}

const claimed = z.object({ hostname: z.string(), pid: z.number(), start: z.string().optional() })

async function isLeftBehind(path: string): Promise<boolean> {
  try {
    return await isGone(path, claimed.parse(JSON.parse(await readFile(path, 'utf8'))))
  } catch (error) {
    // Gone by now, if it is not there. Else it is nobody's: claims are whole from their first moment.
    return systemCode(error) !== 'ENOENT'
  }
}

/** Is who holds this file gone? By proof, else, of a process that can't be looked at from here, by its silence. */
async function isGone(path: string, owner: Owner): Promise<boolean> {
  const life = lifeOf(owner)
  if (life !== 'unknown') return life === 'gone'
  const silence = await findSilence(path)
  if (silence === undefined) return false
  const isReboot = owner.start !== undefined && owner.hostname === hostname() && !silence.sameBoot
  return silence.silentMs > (isReboot ? REBOOT_SILENCE_MINUTES : SILENCE_MINUTES) * 60_000
}
