import type { Measurement } from './measure.ts'

/** What one tool needed for one kind of work, over all rounds. */
export interface Result {
  readonly work: string
  readonly tool: string
  readonly wallMs: number
  readonly cpuMs: number
  readonly peakBytes: number
  /** Bytes that the work added to the repository; undefined where it adds none. */
  readonly storedBytes: number | undefined
  readonly rounds: number
}

/** Upper bounds against a peer's figure of the same work, or (limit) absolute ones. From the design. */
export interface Target {
  /** Default restic. */
  readonly peer?: string
  readonly time?: number
  readonly bytes?: number
  readonly timeLimitMs?: number
  readonly memoryLimitBytes?: number
  /** The peer's work to compare with, where it has another name. */
  readonly against?: string
}

/** Collects the rounds of every (work, tool) and gives medians. */
export class Recorder {
  readonly #rounds = new Map<string, { work: string; tool: string; all: Measurement[]; stored: number[] }>()

  add(work: string, tool: string, measurement: Measurement, storedBytes?: number): void {
    const key = `${work}\n${tool}`
    const entry = this.#rounds.get(key) ?? { work, tool, all: [], stored: [] }
    entry.all.push(measurement)
    if (storedBytes !== undefined) entry.stored.push(storedBytes)
    this.#rounds.set(key, entry)
  }

  results(): Result[] {
    return [...this.#rounds.values()].map(({ work, tool, all, stored }) => ({
      work,
      tool,
      wallMs: median(all.map(one => one.wallMs)),
      cpuMs: median(all.map(one => one.cpuMs)),
      peakBytes: Math.max(...all.map(one => one.peakBytes)),
      storedBytes: stored.length > 0 ? median(stored) : undefined,
      rounds: all.length,
    }))
  }
}

/** A table in Markdown, so that it can go into the documentation as it is. */
export function formatTable(results: readonly Result[], targets: ReadonlyMap<string, Target>): string {
  const rows = [
    ['work', 'tool', 'time', 'user+sys', 'peak memory', 'stored', 'time : peer', 'stored : peer', 'target'],
    ...results.map(result => formatRow(result, results, targets.get(result.work))),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  const lines = rows.map(row => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  lines.splice(1, 0, `|${widths.map(width => '-'.repeat(width + 2)).join('|')}|`)
  return lines.join('\n')
}

function formatRow(result: Result, all: readonly Result[], target: Target | undefined): string[] {
  const peerWork = target?.against ?? result.work
  const peerTool = target?.peer ?? 'restic'
  const peer = all.find(other => other.tool === peerTool && other.work === peerWork)
  const time = result.tool !== peerTool && peer ? result.wallMs / peer.wallMs : undefined
  const bytes =
    result.tool !== peerTool && peer?.storedBytes && result.storedBytes !== undefined
      ? result.storedBytes / peer.storedBytes
      : undefined
  return [
    result.work,
    result.tool,
    formatMs(result.wallMs),
    formatMs(result.cpuMs),
    result.peakBytes > 0 ? formatBytes(result.peakBytes) : '-',
    result.storedBytes === undefined ? '-' : formatBytes(result.storedBytes),
    time?.toFixed(2) ?? '-',
    bytes?.toFixed(2) ?? '-',
    result.tool === 'lifeboat' && target ? judge(result, target, time, bytes) : '',
  ]
}

function judge(result: Result, target: Target, time: number | undefined, bytes: number | undefined): string {
  const parts = [
    bound('time', time, target.time),
    bound('bytes', bytes, target.bytes),
    limit(result.wallMs, target.timeLimitMs, formatMs),
    limit(result.peakBytes, target.memoryLimitBytes, formatBytes),
  ]
  return parts.filter(part => part !== undefined).join(', ')
}

function bound(what: string, found: number | undefined, atMost: number | undefined): string | undefined {
  if (atMost === undefined || found === undefined) return undefined
  return `${what} x ${atMost} ${found <= atMost ? 'met' : 'MISSED'}`
}

function limit(found: number, atMost: number | undefined, format: (value: number) => string): string | undefined {
  return atMost === undefined ? undefined : `${format(atMost)} ${found <= atMost ? 'met' : 'MISSED'}`
}

export function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(2)} s`
}

export function formatBytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0)} MB`
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [low = 0, high = 0] = sorted.length % 2 === 1 ? [sorted[middle], sorted[middle]] : sorted.slice(middle - 1)
  return (low + high) / 2
}
