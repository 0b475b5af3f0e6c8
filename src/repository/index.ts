/** The engine's only door. */
export { createRepository } from './create.ts'
export { openRepository } from './open.ts'
export type * from './repository.ts'
export type { WalContent, WalHeader } from './wal/wal-object.ts'
export { type StoredWal, WalStore } from './wal/wal-store.ts'
