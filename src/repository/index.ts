/** The engine's only door. */
export type * from './repository.ts'
