import type { BigIntStats } from 'node:fs'
import { findTool, runTool } from '../../base/process.ts'
import type { ZeroRun } from '../source.ts'

/** A hole that is shorter is read: that takes no longer than to know of it. */
const SHORTEST_BYTES = 8 * 1024 * 1024
const BLOCK_BYTES = 512n

/**
 * Node has no lseek, and so no SEEK_HOLE (4) and SEEK_DATA (3); perl has. It opens the very file that we have open, and
 * prints where each hole begins and ends. A file system that does not know says that all of it is data.
 */
const FIND_HOLES = `
my ($path, $shortest) = @ARGV; open(my $file, '<', $path) or exit 1;
my $end = -s $file; my $at = 0;
while ($at < $end) {
  my $hole = sysseek($file, $at, 4); defined $hole or exit 1; $hole += 0;
  last if $hole >= $end;
  my $data = sysseek($file, $hole, 3); $data = defined $data ? $data + 0 : $end;
  last if $data <= $hole;
  print "$hole $data\\n" if $data - $hole >= $shortest;
  $at = $data;
}`

export interface Hole {
  readonly start: number
  readonly end: number
}

/** The long holes of an open file, in their order. None where the system can't tell: then they are read as zeros. */
export async function findHoles(
  descriptor: number,
  opened: BigIntStats,
  signal: AbortSignal,
): Promise<readonly Hole[]> {
  const missing = opened.size - opened.blocks * BLOCK_BYTES
  if (process.platform !== 'linux' || missing < SHORTEST_BYTES || (await findTool('perl')) === undefined) return []
  const path = `/proc/${process.pid}/fd/${descriptor}`
  const { code, stdout } = await runTool('perl', ['-e', FIND_HOLES, path, String(SHORTEST_BYTES)], { signal })
  return code === 0 ? parseHoles(stdout.toString('latin1'), Number(opened.size)) : []
}

function parseHoles(text: string, sizeBytes: number): Hole[] {
  const holes: Hole[] = []
  for (const line of text.split('\n')) {
    const [start = Number.NaN, end = Number.NaN] = line.split(' ').map(Number)
    // It may have grown since it was opened; we read no further than it was then.
    if (end > start && start >= (holes.at(-1)?.end ?? 0)) holes.push({ start, end: Math.min(end, sizeBytes) })
  }
  return holes.filter(({ start, end }) => end > start)
}

/** The holes along a file that is read from start to end. `at` is where the reading is, and moves on when it passes some. */
export function zerosOf(holes: readonly Hole[], position: { atBytes: number }): ZeroRun | undefined {
  if (holes.length === 0) return undefined
  let next = 0
  return {
    aheadBytes: () => {
      while ((holes[next]?.end ?? Number.POSITIVE_INFINITY) <= position.atBytes) next += 1
      const hole = holes[next]
      return hole === undefined || hole.start > position.atBytes ? 0 : hole.end - position.atBytes
    },
    pass: lengthBytes => {
      position.atBytes += lengthBytes
    },
  }
}
