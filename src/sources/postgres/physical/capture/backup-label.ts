import { AppError } from '../../../../base/errors.ts'
import { type Lsn, parseLsn } from '../log/wal.ts'

/** What `backup_label` says of where recovery must begin. */
export interface BackupLabel {
  readonly startLsn: Lsn
  readonly startSegment: string
  readonly timeline: number
}

/**
 * Reads the label that `pg_backup_stop` returned or a backup carries. Throws `source-invalid` when the lines that
 * recovery needs are missing.
 */
export function parseBackupLabel(text: string): BackupLabel {
  const start = /^START WAL LOCATION: ([0-9A-F]+\/[0-9A-F]+) \(file ([0-9A-F]{24})\)$/m.exec(text)
  const startLsn = start ? parseLsn(start[1] ?? '') : undefined
  const timeline = /^START TIMELINE: (\d+)$/m.exec(text)
  const startSegment = start?.[2]
  if (startLsn === undefined || startSegment === undefined) {
    throw new AppError('source-invalid', 'backup label names no start of the log')
  }
  return {
    startLsn,
    startSegment,
    timeline: timeline ? Number(timeline[1]) : Number.parseInt(startSegment.slice(0, 8), 16),
  }
}

/** Where each tablespace was, by OID. Lines are `OID path`; backslashes escape backslashes and line ends. */
export function parseTablespaceMap(text: string): Map<string, string> {
  const map = new Map<string, string>()
  const unescaped = text.replaceAll(/\\([\\\n\r])/g, (_, char: string) => ESCAPED.get(char) ?? char)
  for (const line of unescaped.split('\n')) {
    const match = /^(\d+) (.+)$/.exec(line)
    if (match?.[1] !== undefined && match[2] !== undefined) map.set(match[1], restoreLineEnds(match[2]))
  }
  return map
}

/** The same the other way round; empty where there are none. What lies within the data directory has no link. */
export function writeTablespaceMap(places: ReadonlyMap<string, string>): string {
  const linked = [...places].filter(([, path]) => path.startsWith('/'))
  return linked.map(([oid, path]) => `${oid} ${path.replaceAll(/[\\\n\r]/g, '\\$&')}\n`).join('')
}

// A line end within a path must not split the line; these private-use characters stand in for it.
const ESCAPED = new Map([
  ['\n', '\ue00a'],
  ['\r', '\ue00d'],
  ['\\', '\\'],
])

function restoreLineEnds(path: string): string {
  return path.replaceAll('\ue00a', '\n').replaceAll('\ue00d', '\r')
}
