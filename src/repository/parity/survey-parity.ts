import type { Storage } from '../../storage/storage.ts'
import type { RepositoryFiles } from '../files/repository-files.ts'
import { CONFIG_KEY, fileKey } from '../format/file-keys.ts'
import { loadParity } from './heal.ts'
import { PARITY_FOLDER, parityKey } from './parity-keys.ts'

/** What has parity, and what has not. All are keys of the storage. */
export interface ParitySurvey {
  /** Files that are protected. */
  readonly present: readonly string[]
  /** Files without parity. */
  readonly missing: readonly string[]
  /**
   * Parity of files that are gone, as other programs leave it when they remove something: it would bring back what was
   * removed on purpose.
   */
  readonly orphaned: readonly string[]
}

const NOTHING: ParitySurvey = { present: [], missing: [], orphaned: [] }

/** Where nobody keeps parity: nothing, for one call. */
export async function surveyParity(
  storage: Storage,
  files: RepositoryFiles,
  signal: AbortSignal,
  { always = false }: { readonly always?: boolean } = {},
): Promise<ParitySurvey> {
  if (storage.traits.keys !== 'any') return NOTHING
  const parity = new Set<string>()
  for await (const key of storage.listKeys(PARITY_FOLDER, { signal })) parity.add(key)
  if (parity.size === 0 && !always) return NOTHING
  const there = new Set([CONFIG_KEY])
  for (const type of ['pack', 'index', 'snapshot', 'key'] as const) {
    for (const id of await files.listIds(type)) there.add(fileKey(type, id))
  }
  return {
    present: [...there].filter(key => parity.has(parityKey(key))),
    missing: [...there].filter(key => !parity.has(parityKey(key))),
    orphaned: [...parity].filter(key => !there.has(key.slice(PARITY_FOLDER.length))),
  }
}

/** Is the parity of a file whole, and of what the file is named after? */
export async function isParityWhole(storage: Storage, key: string, signal: AbortSignal): Promise<boolean> {
  const parity = await loadParity(storage, key, signal)
  return parity !== undefined && parity.damaged === 0 && (key === CONFIG_KEY || key.endsWith(parity.sha256))
}
