/** The engine's only door. */
export { createRepository } from './create.ts'
export { openRepository } from './open.ts'
export type * from './repository.ts'

/** Fails with a sentence where the add-on that encrypts is of another kind of machine. */
export async function loadCryptography(): Promise<void> {
  await import('./crypto/sodium.ts')
}
