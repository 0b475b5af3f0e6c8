/** The engine's only door. */
export { createRepository } from './create.ts'
export { openRepository } from './open.ts'
export type * from './repository.ts'
