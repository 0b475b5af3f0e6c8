import { systemRandom } from '../../base/random.ts'

/** Where a restore writes what is to take the place of `path`. One that was cut off left it there. */
export function partialOf(path: string): string {
  return `${path}.lifeboat-partial`
}

/** Where what is taken away for good goes until it is removed. */
export function replacedOf(path: string): string {
  return `${path}.lifeboat-replaced`
}

/** Where what comes back waits while the files that belong to it go before it. */
export function comingTo(path: string): string {
  return `${path}.lifeboat-coming`
}

/** What lay there and goes, where nobody asked to keep it. */
export function oldOf(path: string): string {
  return `${path}.lifeboat-old`
}

/** A file or folder that a swap takes away, and where it is kept: beside it, so that a rename is enough. */
export interface KeptPath {
  readonly path: string
  readonly kept: string
  /** Endings of files that belong to the one at the path and go where it goes: `-wal`. */
  readonly sidecars: readonly string[]
}

export function keptPathOf(path: string, keptAs: string, sidecars: readonly string[] = []): KeptPath {
  return { path, kept: `${path}.${keptAs}`, sidecars }
}

/** Under what to keep it where nobody said: `before-20260904-015930-1a2b3c4d`, so that two within a second differ. */
export function newKeepAs(now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15)
  return `before-${stamp}-${systemRandom.bytes(4).toString('hex')}`
}
