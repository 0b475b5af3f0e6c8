import type { Clock } from '../../base/clock.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { PROBE_CONTENT, PROBE_KEY, PROBE_SHA256 } from '../../model/probe-object.ts'
import type { Storage } from '../../storage/storage.ts'

/** What is tried, in this order. */
export const PROBED = [
  'list',
  'read',
  'write',
  'conditions',
  'range',
  'overwrite',
  'delete',
  'clock',
  'space',
  'keys',
] as const
export type Probed = (typeof PROBED)[number]

export interface ProbeCheck {
  readonly name: Probed
  /** `unknown`: it could not be tried, or the server gave no answer that says yes or no. */
  readonly status: 'ok' | 'missing' | 'unknown'
  readonly detail: string
  /** What mends it. */
  readonly fix?: string | undefined
}

/** What a storage, with the credentials of this machine, lets be done. Found by trying it. */
export interface ProbeReport {
  readonly location: string
  /** Undefined where it was not found out. */
  readonly canRestore: boolean | undefined
  readonly canBackUp: boolean | undefined
  /** Forget and prune. */
  readonly canDelete: boolean | undefined
  readonly checks: readonly ProbeCheck[]
}

export interface ProbeOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** What to do where the service passes conditions over. */
  readonly withoutConditions?: string | undefined
}

/** Whoever waits for it wants to know now. */
const PATIENCE_MS = 30_000
const CLOCK_TOLERANCE_MS = 2 * 60_000
const CONTENT = Buffer.from(PROBE_CONTENT)
const RANGE = { offset: 9, length: 6 }

/**
 * Tries what backups, restores and prune will do there, with one tiny object that it removes again. Never touches anything
 * else, and never takes longer than 30 s. Read-only credentials are a finding and no failure. Throws `interrupted`.
 */
export async function probeStorage(storage: Storage, options: ProbeOptions): Promise<ProbeReport> {
  const probe = new Probe(storage, options)
  const checks = await probe.run()
  const isOk = (name: Probed): boolean | undefined => {
    const status = checks.find(check => check.name === name)?.status
    return status === undefined || status === 'unknown' ? undefined : status === 'ok'
  }
  const canRestore = both(isOk('list'), isOk('read'))
  return {
    location: storage.location,
    canRestore,
    canBackUp: both(canRestore, isOk('write')),
    canDelete: both(both(canRestore, isOk('write')), isOk('delete')),
    checks,
  }
}

/** No is stronger than unknown. */
function both(one: boolean | undefined, other: boolean | undefined): boolean | undefined {
  if (one === false || other === false) return false
  return one === undefined || other === undefined ? undefined : true
}

type Outcome = Omit<ProbeCheck, 'name'>

const ok = (detail: string): Outcome => ({ status: 'ok', detail })
const missing = (detail: string, fix?: string): Outcome => ({ status: 'missing', detail, fix })
const unknown = (detail: string): Outcome => ({ status: 'unknown', detail })

class Probe {
  readonly #storage: Storage
  readonly #options: ProbeOptions
  readonly #signal: AbortSignal
  readonly #checks: ProbeCheck[] = []

  constructor(storage: Storage, options: ProbeOptions) {
    this.#storage = storage
    this.#options = options
    const late = AbortSignal.timeout(PATIENCE_MS)
    this.#signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late])
  }

  async run(): Promise<readonly ProbeCheck[]> {
    if ((await this.#try('list', () => this.#list())) !== 'unknown') {
      if (await this.#tryConfig()) await this.#tryChanges()
      await this.#try('space', () => this.#space())
    }
    if (this.#storage.traits.keys === 'restic') {
      this.#add(
        'keys',
        missing(
          'it takes only what restic stores: no continuous logs, no pins',
          'Send the logs of a source to another repository, as a folder, S3 or SFTP.',
        ),
      )
    }
    return this.#checks
  }

  async #list(): Promise<Outcome> {
    for await (const _ of this.#storage.listKeys('keys/', { signal: this.#signal })) break
    return ok('objects can be listed')
  }

  /** Is there a repository that can be read? Nothing is stored where there is none: the place may be the wrong one. */
  async #tryConfig(): Promise<boolean> {
    const options = { signal: this.#signal }
    const status = await this.#try('read', async () => {
      if ((await this.#storage.find('config', options)) === undefined) {
        return unknown('there is no repository yet; "lifeboat init" makes one, and tries the rest')
      }
      await this.#storage.load('config', options)
      return ok('objects can be read')
    })
    return status === 'ok'
  }

  async #tryChanges(): Promise<void> {
    const written = await this.#write()
    if (written === 'new') await this.#tryWritten()
    if (written !== 'not') await this.#tryDelete()
  }

  /** `there`: one that could not be removed lies there from before. */
  async #write(): Promise<'new' | 'there' | 'not'> {
    try {
      await this.#save(true)
    } catch (error) {
      const isThere = await this.#isThere(error)
      if (!isThere) {
        this.#add('write', this.#failed(error))
        return 'not'
      }
      if (!(await this.#clearAway())) {
        const what = 'one of an earlier probe is there, and can be neither replaced nor deleted'
        this.#add('write', isAppError(error, 'storage-exists') ? ok(what) : unknown(what))
        return 'there'
      }
    }
    this.#add('write', ok('objects can be stored'))
    return 'new'
  }

  /** Is it refused because one is there already? Locks say "denied" for that too. */
  async #isThere(refusal: unknown): Promise<boolean> {
    if (isAppError(refusal, 'storage-exists')) return true
    if (!isAppError(refusal, 'storage-denied')) return false
    const found = await this.#storage.find(PROBE_KEY, { signal: this.#signal }).catch(() => undefined)
    return found !== undefined
  }

  /** What a probe left that was killed, or had other rights. */
  async #clearAway(): Promise<boolean> {
    try {
      await this.#storage.remove(PROBE_KEY, { signal: this.#signal })
      await this.#save(true)
      return true
    } catch (error) {
      throwIfAborted(this.#options.signal)
      if (error instanceof AppError) return false
      throw error
    }
  }

  async #tryWritten(): Promise<void> {
    const { traits } = this.#storage
    await this.#requireReadBack()
    await this.#try('range', () => this.#readRange())
    await this.#try('clock', () => this.#compareClock())
    await this.#try('conditions', () => this.#saveAgain())
    if (traits.overwrites) await this.#try('overwrite', () => this.#overwrite())
  }

  async #readBack(): Promise<Outcome> {
    const stored = await this.#storage.load(PROBE_KEY, { signal: this.#signal })
    if (stored.equals(CONTENT)) return ok('what was stored is read back as it was')
    return missing('what was stored is not what is read back', 'Do not keep backups there.')
  }

  /** Reading is known to work; what counts now is whether what was stored comes back. */
  async #requireReadBack(): Promise<void> {
    const outcome = await this.#readBack().catch((error: unknown) => this.#failed(error))
    const at = this.#checks.findIndex(({ name }) => name === 'read')
    this.#checks[at] = { name: 'read', ...outcome }
  }

  async #readRange(): Promise<Outcome> {
    const part = await this.#storage.load(PROBE_KEY, { range: RANGE, signal: this.#signal })
    if (part.equals(CONTENT.subarray(RANGE.offset, RANGE.offset + RANGE.length))) return ok('parts can be read')
    return missing('another part is read than was asked for', 'Do not keep backups there.')
  }

  async #compareClock(): Promise<Outcome> {
    const found = await this.#storage.find(PROBE_KEY, { signal: this.#signal })
    if (found?.modifiedAt === undefined) return unknown('it does not say when an object was stored')
    const offMs = found.modifiedAt.getTime() - this.#options.clock.now().getTime()
    const seconds = Math.round(Math.abs(offMs) / 1000)
    if (Math.abs(offMs) <= CLOCK_TOLERANCE_MS) return ok('its clock agrees with ours')
    return missing(
      `its clock is ${seconds} s ${offMs > 0 ? 'ahead of' : 'behind'} ours`,
      'Let NTP keep the clock of this machine ("timedatectl set-ntp true"), and that of the server if it is yours.',
    )
  }

  async #saveAgain(): Promise<Outcome> {
    try {
      await this.#save(true)
    } catch (error) {
      // Where it could be stored a moment ago, "denied" means that it is there and locked.
      const isRefused = isAppError(error, 'storage-exists') || isAppError(error, 'storage-denied')
      if (isRefused) return ok('an object is not stored twice')
      throw error
    }
    return missing(
      'it stores what is there already, though told not to: of two hosts that create a repository or store the same log in one instant, neither would notice the other',
      this.#options.withoutConditions ?? 'Create the repository from one host alone.',
    )
  }

  async #overwrite(): Promise<Outcome> {
    try {
      await this.#save(false)
    } catch (error) {
      if (isAppError(error, 'storage-exists') || isAppError(error, 'storage-denied')) {
        return missing('what is stored cannot be replaced, which protects it')
      }
      throw error
    }
    return ok('an object can be written again, with these credentials by anybody')
  }

  async #tryDelete(): Promise<void> {
    await this.#try('delete', async () => {
      const kept = `forget and prune need other credentials; backups go on. ${PROBE_KEY} stays there, and is passed over`
      try {
        await this.#storage.remove(PROBE_KEY, { signal: this.#signal })
      } catch (error) {
        if (isAppError(error, 'storage-denied')) return missing(`packs cannot be deleted: ${kept}`, error.hint)
        throw error
      }
      const left = await this.#storage.find(PROBE_KEY, { signal: this.#signal })
      if (left === undefined) return ok('objects can be deleted')
      return missing(`it says that a pack is deleted, and keeps it: ${kept}`)
    })
  }

  async #space(): Promise<Outcome> {
    const freeBytes = await this.#storage.freeBytes()
    return freeBytes === undefined ? unknown('it does not tell its free space') : ok(`${formatSize(freeBytes)} free`)
  }

  #save(ifAbsent: boolean): Promise<void> {
    return this.#storage.save(PROBE_KEY, CONTENT, { ifAbsent, sha256: PROBE_SHA256, signal: this.#signal })
  }

  async #try(name: Probed, work: () => Promise<Outcome>): Promise<ProbeCheck['status']> {
    const outcome = await work().catch((error: unknown) => this.#failed(error))
    this.#add(name, outcome)
    return outcome.status
  }

  #failed(error: unknown): Outcome {
    throwIfAborted(this.#options.signal)
    if (this.#signal.aborted) return unknown(`no answer within ${PATIENCE_MS / 1000} s`)
    if (!(error instanceof AppError)) throw error
    const { message, hint, isTransient } = error
    return { status: isTransient ? 'unknown' : 'missing', detail: message, fix: hint }
  }

  #add(name: Probed, outcome: Outcome): void {
    this.#checks.push({ name, ...outcome })
  }
}
