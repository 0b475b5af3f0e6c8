import { createHash } from 'node:crypto'
import { encodeName } from '../../../../base/bytes.ts'
import { formatLsn, type Lsn, parseLsn } from '../log/wal.ts'

/** One file as `backup_manifest` lists it. Without a checksum only its presence and size are verified. */
export interface ManifestedFile {
  readonly path: string
  readonly sizeBytes: number
  readonly modifiedAt: Date
  /** Hex. */
  readonly sha256: string | undefined
}

export interface WalRange {
  readonly timeline: number
  readonly start: Lsn
  readonly end: Lsn
}

/**
 * The text of a `backup_manifest`, for `pg_verifybackup`. Version 1 is understood by every PostgreSQL from 13 on.
 *
 * @see https://www.postgresql.org/docs/current/backup-manifest-format.html
 */
export function writeBackupManifest(files: readonly ManifestedFile[], range: WalRange): Buffer {
  const body = [
    '{ "PostgreSQL-Backup-Manifest-Version": 1,',
    '"Files": [',
    files.map(fileLine).join(',\n'),
    '],',
    '"WAL-Ranges": [',
    `{ "Timeline": ${range.timeline}, "Start-LSN": "${formatLsn(range.start)}", "End-LSN": "${formatLsn(range.end)}" }`,
    '],',
    '',
  ].join('\n')
  // The sum is of everything before the last line.
  return Buffer.from(`${body}"Manifest-Checksum": "${createHash('sha256').update(body).digest('hex')}"}\n`)
}

function fileLine(file: ManifestedFile): string {
  const checksum = file.sha256 === undefined ? '' : `, "Checksum-Algorithm": "SHA256", "Checksum": "${file.sha256}"`
  return `{ ${pathField(file.path)}, "Size": ${file.sizeBytes}, "Last-Modified": "${gmt(file.modifiedAt)}"${checksum} }`
}

function pathField(path: string): string {
  const bytes = encodeName(path)
  if (bytes.toString('utf8') === path) return `"Path": ${JSON.stringify(path)}`
  return `"Encoded-Path": "${bytes.toString('hex')}"`
}

function gmt(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} GMT`
}

/** The files of a manifest's text by path; empty when it is none. */
export function readManifestFiles(
  text: string,
): Map<string, { readonly sizeBytes: number; readonly sha256: string | undefined }> {
  const found = new Map<string, { sizeBytes: number; sha256: string | undefined }>()
  for (const file of listFiles(text)) {
    const { Path: path, Size: sizeBytes, 'Checksum-Algorithm': algorithm, Checksum: checksum } = file
    if (typeof path !== 'string' || typeof sizeBytes !== 'number') continue
    const isSha256 = algorithm === 'SHA256' && typeof checksum === 'string' && /^[0-9a-f]{64}$/.test(checksum)
    found.set(path, { sizeBytes, sha256: isSha256 ? checksum : undefined })
  }
  return found
}

/** The stretch of log that a manifest says its backup needs; undefined when it says none. */
export function readManifestRange(text: string): WalRange | undefined {
  const value = parseObject(text)
  const ranges = value?.['WAL-Ranges']
  const first: unknown = Array.isArray(ranges) ? ranges[0] : undefined
  if (typeof first !== 'object' || first === null) return undefined
  const { Timeline: timeline, 'Start-LSN': startText, 'End-LSN': endText } = first as Record<string, unknown>
  const start = typeof startText === 'string' ? parseLsn(startText) : undefined
  const end = typeof endText === 'string' ? parseLsn(endText) : undefined
  if (typeof timeline !== 'number' || start === undefined || end === undefined) return undefined
  return { timeline, start, end }
}

function listFiles(text: string): Record<string, unknown>[] {
  const files = parseObject(text)?.['Files']
  if (!Array.isArray(files)) return []
  return files.filter((file): file is Record<string, unknown> => typeof file === 'object' && file !== null)
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
