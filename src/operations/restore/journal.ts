import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { AppError, messageOf, systemCode } from '../../base/errors.ts'
import { replaceFile } from '../../base/new-file.ts'
import { isProcessGone, processStart } from '../../base/process-life.ts'

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
  undoneBy: z.string().optional(),
})

/**
 * What one restore did to a target, written before it does it. Never holds a secret: `target` is named without its
 * password. `existed`: there was something at the target. `kept`: what the swap took away and still lies beside. `safety`: the recovery point of what was there.
 * `token`: of the transaction that makes the change, for the adapter to tell whether it was committed.
 * `tookKeptAs`: an undo put what was kept under this name into the target's place.
 */
export type JournalEntry = Readonly<z.output<typeof entry>>

export type NewEntry = Pick<
  JournalEntry,
  | 'run'
  | 'operation'
  | 'source'
  | 'kind'
  | 'strategy'
  | 'target'
  | 'existed'
  | 'repository'
  | 'snapshot'
  | 'keepAs'
  | 'undoOf'
  | 'tookKeptAs'
>

/** The newest this many ended restores can be undone. */
const KEPT_ENTRIES = 100
const ENDS: ReadonlySet<Phase> = new Set(['done', 'failed', 'rolled-back'])

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
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const owner = { hostname: hostname(), pid: process.pid, start: processStart(process.pid) }
    const startedAt = this.#clock.now().toISOString()
    const begun: JournalEntry = {
      format: 1,
      ...fresh,
      startedAt,
      owner,
      phase: 'preparing',
      kept: [],
      hookRan: false,
    }
    await this.#write(begun)
    return begun
  }

  /** Durable when it returns. */
  async update(before: JournalEntry, change: Partial<JournalEntry>): Promise<JournalEntry> {
    const ended = change.phase !== undefined && ENDS.has(change.phase)
    const after = { ...before, ...change, ...(ended ? { finishedAt: this.#clock.now().toISOString() } : {}) }
    await this.#write(after)
    if (ended) await this.#removeOldest()
    return after
  }

  /** Oldest first. One that can't be read is passed over: it stands in nobody's way. */
  async list(): Promise<JournalEntry[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error
      return []
    })
    const entries = await Promise.all(names.filter(name => name.endsWith('.json')).map(name => this.#read(name)))
    const found = entries.filter(each => each !== undefined)
    return found.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0))
  }

  /** Those whose process is gone before they came to an end. */
  async listInterrupted(): Promise<JournalEntry[]> {
    return (await this.list()).filter(each => !ENDS.has(each.phase) && isAbandoned(each))
  }

  /** Those that are being carried out right now, by others. */
  async listRunning(): Promise<JournalEntry[]> {
    return (await this.list()).filter(each => !ENDS.has(each.phase) && !isAbandoned(each))
  }

  /**
   * Takes over what an interrupted restore left, so that of two commands only one mends it. Undefined: another one has
   * it, or it has come to an end meanwhile. The lock is released by the caller.
   */
  async claim({ run }: JournalEntry): Promise<{ entry: JournalEntry; release(): Promise<void> } | undefined> {
    const path = join(this.#folder, `${run}.claim`)
    const me = JSON.stringify({ pid: process.pid, start: processStart(process.pid) })
    for (let tries = 0; tries < 2; tries++) {
      try {
        await writeFile(path, me, { flag: 'wx', mode: 0o600 })
        const now = await this.#read(`${run}.json`)
        const release = async (): Promise<void> => await rm(path, { force: true })
        if (now !== undefined && !ENDS.has(now.phase)) return { entry: now, release }
        await release()
        return undefined
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw this.#unwritable(error)
        if (!(await isLeftBehind(path))) return undefined
        await rm(path, { force: true })
      }
    }
    return undefined
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
    for (const { run } of ended.slice(0, -KEPT_ENTRIES)) await rm(join(this.#folder, `${run}.json`), { force: true })
  }

  #unwritable(cause: unknown): AppError {
    return new AppError('failed', `cannot write the journal of restores in ${this.#folder}: ${messageOf(cause)}`, {
      hint: 'Nothing is restored without it. Check that you may write there and that the disk is not full.',
      cause,
    })
  }
}

function isAbandoned({ owner }: JournalEntry): boolean {
  return owner.hostname === hostname() && isProcessGone(owner.pid, owner.start)
}

const claimed = z.object({ pid: z.number(), start: z.string().optional() })

async function isLeftBehind(path: string): Promise<boolean> {
  try {
    const { pid, start } = claimed.parse(JSON.parse(await readFile(path, 'utf8')))
    return isProcessGone(pid, start)
  } catch {
    // Being written, or gone by now.
    return false
  }
}
