import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { LogFileName, LogId } from '../../model/log.ts'
import type { LogStore, Repository } from '../../repository/index.ts'
import { readArchive } from '../logs/archive.ts'
import { basesOf, type KindedBase, type LogFormats, listBases, logsOf } from '../logs/bases.ts'

export interface CopiedLog {
  readonly files: number
  readonly bytes: number
}

export interface LogCopy {
  readonly copied: CopiedLog
  readonly findings: readonly Finding[]
}

export interface LogsToCopy {
  readonly from: Repository
  readonly to: Repository
  /** Undefined: of all. */
  readonly sources: readonly string[] | undefined
  readonly signal: AbortSignal
}

/**
 * Copies the logs whose backups are at the other place, as far back as the oldest of these needs them: what is older would
 * be removed there by the next prune. Undefined: there is none.
 */
export async function copyLogs(
  formats: LogFormats,
  { from, to, sources, signal }: LogsToCopy,
): Promise<LogCopy | undefined> {
  const there = new Set((await from.logs.listLogs(signal)).map(keyOf))
  if (there.size === 0) return undefined
  const lists = await Promise.all((sources ?? [undefined]).map(source => listBases(formats, to, source)))
  const bases = lists.flatMap(list => list.bases)
  let files = 0
  let bytes = 0
  const findings: Finding[] = []
  for (const log of logsOf(bases).filter(each => there.has(keyOf(each)))) {
    for (const file of await missingFiles(formats, { from: from.logs, to: to.logs }, log, { bases, signal })) {
      try {
        const copied = await copyFile(from.logs, to.logs, log, file, signal)
        files += copied > 0 ? 1 : 0
        bytes += copied
      } catch (error) {
        if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
        findings.push(notCopied(file, error))
        // No other file would fare better.
        if (isAppError(error, 'unsupported')) break
      }
    }
  }
  return { copied: { files, bytes }, findings }
}

const keyOf = ({ kind, id }: LogId): string => `${kind}/${id}`

/** As they were written, so that a log that was copied in part has no gap. Unfinished files may have grown. */
async function missingFiles(
  formats: LogFormats,
  { from, to }: { readonly from: LogStore; readonly to: LogStore },
  log: LogId,
  { bases, signal }: { readonly bases: readonly KindedBase[]; readonly signal: AbortSignal },
): Promise<LogFileName[]> {
  const format = await formats.logFormat(log.kind)
  if (format === undefined) return []
  const { coverage, reader } = await readArchive(from, log, format, signal)
  const unneeded = new Set(coverage.listUnneeded(basesOf(bases, log)))
  const finished = new Set<string>()
  for await (const { name, unfinished } of to.list(log, signal)) if (!unfinished) finished.add(name)
  return reader.files
    .filter(({ name }) => !unneeded.has(name) && !finished.has(name))
    .toSorted((a, b) => compare(a.order ?? '', b.order ?? ''))
}

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

/** Bytes of the file; 0: it was there, or is gone where it comes from. */
async function copyFile(
  from: LogStore,
  to: LogStore,
  log: LogId,
  { name, unfinished }: LogFileName,
  signal: AbortSignal,
): Promise<number> {
  const found = await from.find(log, { name, unfinished }, signal)
  if (found === undefined) return 0
  const { header, bytes } = found
  const content = { log, name, unfinished, bytes, writtenAt: new Date(header.writtenAt) }
  return (await to.save(content, signal)) === 'stored' ? bytes.length : 0
}

function notCopied({ name }: LogFileName, { code, message, hint }: AppError): Finding {
  return {
    severity: 'error',
    code: 'log-not-copied',
    subject: `log file ${name}`,
    message: `${message} (${code})`,
    ...(hint === undefined ? {} : { hint }),
  }
}
