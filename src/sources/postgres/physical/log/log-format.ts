import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../../../../base/errors.ts'
import type { LogFile } from '../../../../model/log.ts'
import type { LogFormat } from '../../../source.ts'
import { findBase } from './base-backup.ts'
import { parseLsn, parseSegmentHeader, parseWalFileName, segmentName, segmentOf, systemIdentifierOf } from './wal.ts'
import { readWalCoverage } from './wal-archive.ts'

/** The write-ahead log of a PostgreSQL cluster: its segments, what it says of timelines and backups. */
export const walFormat: LogFormat = {
  words: {
    log: 'cluster',
    file: 'segment',
    branch: 'timeline',
    nameHint: 'In archive_command write "lifeboat wal push %p", in restore_command "lifeboat wal fetch %f %p".',
    logHint:
      'Run it in the data directory, as PostgreSQL runs its archive and restore commands, or name the cluster with --system.',
    positionHint: 'Positions look like 0/3000028.',
  },
  parseName: parseLogName,
  isPosition: text => parseLsn(text) !== undefined,
  findLog: findSystemIdentifier,
  checkFile,
  listWaiting,
  listNext,
  findBase,
  readCoverage: readWalCoverage,
}

/**
 * Timelines come one after the other: what a new one writes is younger than all of the one that it left, however far that
 * one went on. Labels of backups are ordered with their segment; a `.partial` is the unfinished segment.
 */
function parseLogName(name: string): LogFile | undefined {
  const file = parseWalFileName(name)
  if (file === undefined) return undefined
  if (file.kind === 'history') return { name, unfinished: false, order: undefined }
  const order = name.slice(0, 24)
  if (file.kind !== 'partial') return { name, unfinished: false, order }
  return { name: name.slice(0, -'.partial'.length), unfinished: true, order }
}

/** PostgreSQL runs its archive and restore commands in the data directory. */
export async function findSystemIdentifier(dataDir: string): Promise<string | undefined> {
  try {
    return systemIdentifierOf(await readFile(join(dataDir, 'global', 'pg_control')))
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

/** A segment says in its first page which one it is, and is whole; the unfinished one is filled up with zeros. */
function checkFile({ name }: LogFile, bytes: Buffer): { readonly log: string | undefined } | undefined {
  if (parseWalFileName(name)?.kind !== 'segment') return { log: undefined }
  const header = parseSegmentHeader(bytes)
  if (header === undefined || bytes.length !== header.segmentBytes) return undefined
  const { number } = segmentOf(name, header.segmentBytes)
  return header.startLsn === number * BigInt(header.segmentBytes) ? { log: header.systemIdentifier } : undefined
}

/** PostgreSQL marks in `archive_status` what is to be archived. */
async function listWaiting(path: string): Promise<string[]> {
  const after = path.slice(path.lastIndexOf('/') + 1)
  const names = await readdir(join(dirname(path), 'archive_status')).catch(() => [])
  return names
    .filter(entry => entry.endsWith('.ready'))
    .map(entry => entry.slice(0, -'.ready'.length))
    .filter(entry => entry > after && parseWalFileName(entry)?.kind === 'segment')
    .toSorted()
}

function listNext(name: string, sizeBytes: number, count: number): readonly string[] {
  if (parseWalFileName(name)?.kind !== 'segment') return []
  const { timeline, number } = segmentOf(name, sizeBytes)
  return Array.from({ length: count }, (_, i) => segmentName({ timeline, number: number + BigInt(i + 1) }, sizeBytes))
}
