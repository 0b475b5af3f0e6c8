/** The engine's only door. */

export type * from './contract/archive.ts'
export type * from './contract/blob.ts'
export type * from './contract/copying.ts'
export type * from './contract/examining-locks.ts'
export type * from './contract/keys-and-locks.ts'
export type * from './contract/logs.ts'
export type * from './contract/maintenance.ts'
export type * from './contract/reading.ts'
export type * from './contract/repairing.ts'
export type * from './contract/restoring.ts'
export type * from './contract/snapshot.ts'
export type * from './contract/writing.ts'
export { createRepository } from './create.ts'
export { openRepository } from './open.ts'
export type * from './repository.ts'

/** Fails with a sentence where the add-on that encrypts is of another kind of machine. */
export async function loadCryptography(): Promise<void> {
  await import('./crypto/sodium.ts')
}
