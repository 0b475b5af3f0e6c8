import type { Cut } from '../source.ts'

const GIB = 1024 ** 3

/**
 * Sizes from which bigger blocks are used, so that the index of a huge database stays small: at most 262 144 blocks up
 * to each step. Coarse, because another block size stores the whole file once more.
 */
const STEPS: ReadonlyArray<{ readonly upToBytes: number; readonly blockBytes: number }> = [
  { upToBytes: 4 * GIB, blockBytes: 16_384 },
  { upToBytes: 16 * GIB, blockBytes: 65_536 },
  { upToBytes: 64 * GIB, blockBytes: 262_144 },
  { upToBytes: Number.POSITIVE_INFINITY, blockBytes: 1_048_576 },
]

/** Fixed blocks, never smaller than a page. The parent's size stays while it is at most one step off. */
export function chooseCut(
  sizeBytes: number,
  pageSizeBytes: number,
  parentBlockBytes?: number,
): Cut & { kind: 'fixed' } {
  const step = STEPS.findIndex(s => sizeBytes <= s.upToBytes)
  const wanted = Math.max(STEPS[step]?.blockBytes ?? 16_384, pageSizeBytes)
  const parentStep = STEPS.findIndex(s => Math.max(s.blockBytes, pageSizeBytes) === parentBlockBytes)
  const keep = parentBlockBytes !== undefined && parentStep >= 0 && Math.abs(parentStep - step) <= 1
  return { kind: 'fixed', blockBytes: keep ? parentBlockBytes : wanted }
}
