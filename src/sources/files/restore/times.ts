import { lutimesSync } from 'node:fs'
import { findTool, runTool } from '../../../base/process.ts'
import type { TreeNode } from '../../../model/node.ts'
import { type RawPath, toBuffer } from '../raw-path.ts'

/** What is set on a path, see `Placed`. */
export interface Timed {
  /** Absolute. */
  readonly raw: RawPath
  readonly node: Pick<TreeNode, 'mtimeNs' | 'atimeNs'>
}

const SECOND_NS = 1_000_000_000n

/** Linux's number of utimensat(2) on the machines that it is known of. */
const UTIMENSAT: Partial<Record<NodeJS.Architecture, number>> = { x64: 280, arm64: 88, riscv64: 88 }

/** Records of five: path, seconds and nanoseconds of the access, then of the modification. -100: paths are whole; 256: symlinks are not followed. */
const SET_TIMES = `
binmode STDIN; $/ = "\\0"; my $call = $ARGV[0] + 0;
while (defined(my $path = <STDIN>)) {
  chomp $path;
  my @times = map { my $number = <STDIN>; chomp $number; $number + 0 } 1 .. 4;
  syscall($call, -100, $path, pack("q4", @times), 256);
}`

/**
 * Sets times to the nanosecond. Node sets them as floating seconds, a quarter of a microsecond wide, so perl is asked to
 * make the system's call; every Debian has it. Where it is missing nothing happens: see `restoreTimes`.
 */
export async function restoreExactTimes(placed: readonly Timed[], signal: AbortSignal): Promise<void> {
  const fine = placed.filter(({ node }) => node.mtimeNs % SECOND_NS !== 0n || (node.atimeNs ?? 0n) % SECOND_NS !== 0n)
  const call = process.platform === 'linux' ? UTIMENSAT[process.arch] : undefined
  if (fine.length === 0 || call === undefined || (await findTool('perl')) === undefined) return
  const records = fine.map(({ raw, node }) => {
    return [raw, ...split(node.atimeNs ?? node.mtimeNs), ...split(node.mtimeNs)].join('\0')
  })
  await runTool('perl', ['-e', SET_TIMES, String(call)], {
    stdin: Buffer.from(`${records.join('\0')}\0`, 'latin1'),
    signal,
  })
}

/** Sets times to a quarter of a microsecond, rounded down: a restored file is never newer than it was. */
export function restoreTimes(path: RawPath, { mtimeNs, atimeNs }: Partial<TreeNode> & Pick<TreeNode, 'mtimeNs'>): void {
  lutimesSync(toBuffer(path), toTime(atimeNs ?? mtimeNs), toTime(mtimeNs))
}

/** Equal as far as `restoreTimes` can set them. */
export function sameTime(a: bigint, b: bigint): boolean {
  const apart = a - b
  return apart < TOLERANCE_NS && apart > -TOLERANCE_NS
}

const TOLERANCE_NS = 1000n

function toTime(ns: bigint): number | Date {
  // Node takes negative numbers for "now"; dates are right to the millisecond.
  if (ns < 0n) return new Date(Number(ns / 1_000_000n))
  const seconds = Number(ns / SECOND_NS)
  const time = seconds + Number(ns % SECOND_NS) / 1e9
  const step = 2 ** (Math.floor(Math.log2(Math.max(time, 1))) - 52)
  return (time - seconds) * 1e9 > Number(ns % SECOND_NS) ? time - step : time
}

function split(ns: bigint): [bigint, bigint] {
  const rest = ((ns % SECOND_NS) + SECOND_NS) % SECOND_NS
  return [(ns - rest) / SECOND_NS, rest]
}
