import { collect } from '../../base/collect.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { Id } from '../../model/node.ts'
import { isPinReason, longestPin, type Pin } from '../../model/pin.ts'
import type { Storage } from '../../storage/storage.ts'
import type { PinList } from '../contract/snapshot.ts'
import type { Cipher } from '../crypto/cipher.ts'
import { isId, shortId } from '../format/file-keys.ts'
import { invalid, type JsonObject, parseObject } from '../format/json.ts'
import { blobId } from '../pack/blob.ts'

const FOLDER = 'pins/'

/**
 * Sealed objects `pins/<snapshot>/<SHA-256 of the object>`, beside restic's folders, which never look here. See
 * docs/decisions/pins.md. A pin is never changed: one that takes another's place is stored before that one goes, so of
 * several the longest counts.
 */
export class PinStore {
  readonly #storage: Storage
  readonly #cipher: Cipher

  constructor(storage: Storage, cipher: Cipher) {
    this.#storage = storage
    this.#cipher = cipher
  }

  get #takesPins(): boolean {
    return this.#storage.traits.keys === 'any'
  }

  /** One a snapshot. One that can't be read is a finding, and keeps its snapshot: nobody knows that it need not. */
  async list(): Promise<PinList> {
    const pins: Pin[] = []
    const findings: Finding[] = []
    if (!this.#takesPins) return { pins, findings }
    for await (const key of this.#storage.listKeys(FOLDER)) {
      const snapshot = snapshotOf(key)
      if (snapshot === undefined) continue
      try {
        const pin = await this.#load(key, snapshot)
        if (pin !== undefined) pins.push(pin)
      } catch (error) {
        if (!isAppError(error, 'damaged')) throw error
        pins.push({ snapshot })
        findings.push(damagedPin(snapshot, error))
      }
    }
    const bySnapshot = Map.groupBy(pins, pin => pin.snapshot)
    return { pins: [...bySnapshot.values()].flatMap(each => longestPin(each) ?? []), findings }
  }

  /** Takes the place of those that the snapshot has. Durable when this resolves. */
  async save(pin: Pin, signal?: AbortSignal): Promise<void> {
    if (!this.#takesPins) throw noPins(this.#storage.location)
    const before = await this.#keysOf(pin.snapshot, signal)
    const sealed = this.#cipher.seal(Buffer.from(JSON.stringify(pin)))
    await this.#storage.save(`${FOLDER}${pin.snapshot}/${blobId(sealed)}`, sealed, { signal })
    for (const key of before) await this.#storage.remove(key, { signal })
  }

  /** Was there any? */
  async remove(snapshot: Id, signal?: AbortSignal): Promise<boolean> {
    if (!this.#takesPins) return false
    const keys = await this.#keysOf(snapshot, signal)
    for (const key of keys) await this.#storage.remove(key, { signal })
    return keys.length > 0
  }

  async #keysOf(snapshot: Id, signal: AbortSignal | undefined): Promise<string[]> {
    return await collect(this.#storage.listKeys(`${FOLDER}${snapshot}/`, { signal }))
  }

  /** Undefined when it is gone since it was listed. */
  async #load(key: string, snapshot: Id): Promise<Pin | undefined> {
    const subject = `the pin of snapshot ${shortId(snapshot)}`
    let sealed: Buffer
    try {
      sealed = await this.#storage.load(key)
    } catch (error) {
      if (isAppError(error, 'storage-not-found')) return undefined
      throw error
    }
    const opened = this.#cipher.open(sealed)
    if (opened === undefined) throw invalid(subject, 'its seal is broken')
    return parsePin(parseObject(opened, subject), snapshot)
  }
}

function parsePin(fields: JsonObject, snapshot: Id): Pin {
  if (fields.id('snapshot') !== snapshot) throw invalid(fields.subject, 'it is of another snapshot')
  const reason = fields.optionalText('reason')
  if (reason !== undefined && !isPinReason(reason)) throw invalid(fields.subject, 'its reason is none')
  const text = fields.optionalText('until')
  const until = text === undefined ? undefined : new Date(text)
  if (until !== undefined && Number.isNaN(until.getTime())) throw invalid(fields.subject, 'its end is no time')
  return { snapshot, until, reason }
}

function snapshotOf(key: string): Id | undefined {
  const [, snapshot = ''] = key.split('/')
  return isId(snapshot) ? snapshot : undefined
}

function damagedPin(snapshot: Id, error: AppError): Finding {
  return {
    severity: 'warning',
    code: 'pin-damaged',
    subject: `snapshot ${shortId(snapshot)}`,
    message: `${error.message}; the snapshot counts as pinned`,
    hint: `Run "lifeboat pin ${shortId(snapshot)}" to pin it anew, or "lifeboat unpin ${shortId(snapshot)}".`,
    affects: [snapshot],
  }
}

function noPins(location: string): AppError {
  return new AppError('unsupported', `${location} takes only files of a restic repository, so it cannot keep a pin`, {
    hint: 'Take a backup with a tag and keep that by a rule: "lifeboat backup --tag NAME", "keep: { tags: [NAME] }".',
  })
}
