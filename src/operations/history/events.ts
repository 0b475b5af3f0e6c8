import { isTrial } from '../../model/probe-object.ts'
import type { StoredVersion } from '../../storage/storage.ts'

/** What a repository keeps, by the folder it lies in. */
export const KINDS = ['packs', 'indexes', 'snapshots', 'keys', 'config', 'pins', 'logs', 'other'] as const
export type Kind = (typeof KINDS)[number]

const KIND_OF_FOLDER: Readonly<Record<string, Kind>> = {
  data: 'packs',
  index: 'indexes',
  snapshots: 'snapshots',
  keys: 'keys',
  config: 'config',
  pins: 'pins',
  logs: 'logs',
}

/** They come and go by design. */
const PASSING = /^(?:locks|logs-unfinished)\//

export const CHANGES = ['added', 'overwritten', 'deleted'] as const
export type Change = (typeof CHANGES)[number]

/** Something that happened to an object. */
export interface HistoryEvent {
  readonly kind: Kind
  readonly change: Change
  /** By the storage's clock; undefined of a deletion whose time it does not tell. */
  readonly at: Date | undefined
}

/** Undefined for what comes and goes. */
export function kindOf(key: string): Kind | undefined {
  if (PASSING.test(key) || isTrial(key)) return undefined
  const [folder = ''] = key.split('/')
  return Object.hasOwn(KIND_OF_FOLDER, folder) ? KIND_OF_FOLDER[folder] : 'other'
}

/** @param newestFirst all versions of one object */
export function* eventsOf(kind: Kind, newestFirst: readonly StoredVersion[]): Generator<HistoryEvent> {
  let isThere = false
  for (const { removed, at } of newestFirst.toReversed()) {
    // What is left of a removal whose object nobody keeps any more tells nothing.
    if (removed && !isThere) continue
    yield { kind, at, change: removed ? 'deleted' : isThere ? 'overwritten' : 'added' }
    isThere = !removed
  }
}
