import type { NodeType } from '../../model/node.ts'

/** Type bits of Go's `os.FileMode`, which is how restic stores a mode. */
const TYPE_BITS: Readonly<Record<NodeType, number>> = {
  file: 0,
  dir: 2 ** 31,
  symlink: 2 ** 27,
  dev: 2 ** 26,
  chardev: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
  irregular: 2 ** 19,
}
/** Pairs of the bit in `st_mode` and the one in Go's mode. */
const SPECIAL = [
  [0o4000, 1 << 23],
  [0o2000, 1 << 22],
  [0o1000, 1 << 20],
] as const

/** `mode` is the low 12 bits of `st_mode`. */
export function formatGoMode(type: NodeType, mode: number): number {
  let out = TYPE_BITS[type] + (mode & 0o777)
  for (const [unix, go] of SPECIAL) if (mode & unix) out += go
  return out
}

/** The low 12 bits of `st_mode`; the type is told by the node's own `type`. */
export function parseGoMode(mode: number): number {
  let out = mode & 0o777
  for (const [unix, go] of SPECIAL) if (mode & go) out |= unix
  return out
}
