import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { suggest } from '../../base/suggest.ts'
import type { Finding } from '../../model/finding.ts'
import type { Held, RestoreOutcome, RestoreRequest, SnapshotEntry } from '../source.ts'
import { isMissingFromSqlite } from './integrity.ts'
import { leavesOut } from './left-out.ts'
import type { ReplacedTable, TablesRefused } from './replaced-table.ts'
import { createPrivate } from './restore-file.ts'
import { locateTarget, targetError } from './restore-target.ts'
import { Session, SessionFault } from './session.ts'

const BUSY_WAIT_MS = 10_000

/**
 * Rows of some tables (all: `tables` empty) into a living database; the application may go on using it. The snapshot is
 * brought back whole to a private place first. Throws `target-invalid`, `not-found`, `target-exists`, `target-in-use`.
 */
export async function restoreTables(
  request: RestoreRequest,
  entry: SnapshotEntry,
  tables: readonly string[],
): Promise<RestoreOutcome> {
  const target = await locateTarget(request.target, entry.path, { create: false })
  if (!target.existing) {
    throw new AppError('target-invalid', `there is no database ${target.path} to restore tables into`, {
      hint: 'Restore the whole database to it, or name another one with --to.',
    })
  }
  if (!request.force) throw tablesExist(target.path)
  const staged = join(request.scratchDir, 'staged.db')
  const session = new Session(request.signal)
  try {
    await createPrivate(staged)
    const bytes = await request.snapshot.restoreFiles([{ node: entry.node, path: staged, delta: false }])
    const ask = { path: target.path, from: staged, waitMs: BUSY_WAIT_MS }
    const wanted = { from: staged, tables, takeAway: request.takeAway }
    const hold = async (): Promise<Held> => {
      await session.call('beginTables', ask)
      const announced = await session.call('announceTables', wanted)
      if ('refused' in announced) throw refusal(announced, request, target.path)
      return { tables: announced }
    }
    if (request.beforeChange === undefined) await hold()
    else await request.beforeChange({ places: [target.path], hold })
    const replaced = await session.call('replaceTables', wanted)
    if ('refused' in replaced) throw refusal(replaced, request, target.path)
    const checks = replaced.tables.map(table => ({
      name: `rows of ${table.name}`,
      passed: table.rows === table.rowsWanted,
      expected: String(table.rowsWanted),
      found: String(table.rows),
    }))
    const findings = [...replaced.tables.flatMap(differences), ...replaced.findings]
    return { ...bytes, target: target.path, files: 1, checks, findings, leftOut: leavesOut(findings) }
  } catch (error) {
    throw refusedBySqlite(error, target.path) ?? targetError(error, target.path)
  } finally {
    await session.close()
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(staged + end, { force: true })
  }
}

function tablesExist(path: string): AppError {
  return new AppError('target-exists', `${path} exists`, {
    hint: 'Say --yes to replace the rows of its tables by those of the snapshot.',
  })
}

function refusal({ refused, subject, known }: TablesRefused, { takeAway }: RestoreRequest, path: string): AppError {
  if (refused === 'not-found') {
    const meant = suggest(subject, known)
    return new AppError('not-found', `the snapshot has no table ${subject}`, {
      hint: meant === undefined ? `It has: ${known.join(', ')}.` : `Did you mean "${meant}"?`,
      context: { known },
    })
  }
  return new AppError('target-invalid', `cannot restore tables into ${path}: foreign key ${subject} would be broken`, {
    hint:
      takeAway === undefined
        ? 'Restore the tables that refer to each other together (--table A --table B). Rows elsewhere need rows that the snapshot does not have, or the other way round. Nothing was changed.'
        : 'Change or delete the rows that were written since and need what the restore brought, then undo again. Nothing was changed.',
  })
}

function differences({ name, created, defaulted, leftOut }: ReplacedTable): Finding[] {
  const say = (subject: string, message: string): Finding => ({
    severity: 'warning',
    code: 'schema-differs',
    subject,
    message,
  })
  const findings: Finding[] = []
  if (created) findings.push({ ...say(name, 'was not there and was created'), severity: 'info', code: 'table-created' })
  for (const column of defaulted) findings.push(say(`${name}.${column}`, 'is not in the snapshot: it has its default'))
  for (const column of leftOut) findings.push(say(`${name}.${column}`, 'is only in the snapshot: left out'))
  return findings
}

// Primary result codes: https://www.sqlite.org/rescode.html
const [BUSY, LOCKED, CONSTRAINT] = [5, 6, 19]

function refusedBySqlite(error: unknown, path: string): AppError | undefined {
  if (!(error instanceof SessionFault)) return undefined
  const code = (error.fault.sqliteCode ?? 0) & 0xff
  if (code === BUSY || code === LOCKED) {
    return new AppError('target-in-use', `${path} is locked by another program`, {
      hint: 'A long transaction is under way there: wait for it to end, or stop the application, then try again.',
      cause: error,
    })
  }
  if (isMissingFromSqlite(error.message)) {
    return new AppError('target-invalid', `cannot restore tables into ${path}: ${error.message}`, {
      hint: 'Restore the whole database (without --table), or restore it with --to PATH and let the application copy the rows. Only the application has this function or collation, and the table cannot be written without it. Nothing was changed.',
      cause: error,
    })
  }
  if (code !== CONSTRAINT) return undefined
  return new AppError('target-invalid', `cannot restore tables into ${path}: ${error.message}`, {
    hint: 'Restore the whole database with --to PATH, and take the rows from there. A rule of the table is newer than the snapshot, and its rows break it. Nothing was changed.',
    cause: error,
  })
}
