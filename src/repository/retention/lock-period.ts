import type { LockSettings } from '../../storage/storage.ts'

/** Folders whose files stay as they are until `forget` or `prune` removes them. All others are replaced and removed by design. */
export const LOCKED_FOLDERS = ['data/', 'index/', 'keys/', 'logs/', 'snapshots/'] as const

/** What of a repository is locked where its storage can and is told to. */
export function isToBeLocked(key: string): boolean {
  return key === 'config' || LOCKED_FOLDERS.some(folder => key.startsWith(folder))
}

/** So that a lock that is set once holds for the period without being extended at every backup. */
const LONGER = 1.5

export function lockEnd({ periodMs }: LockSettings, now: Date): Date {
  return new Date(now.getTime() + periodMs * LONGER)
}

/** Does a lock end too soon for what is needed to stay locked for the period from now on? */
export function isDue({ periodMs }: LockSettings, until: Date | undefined, now: Date): boolean {
  return until === undefined || until.getTime() < now.getTime() + periodMs
}
