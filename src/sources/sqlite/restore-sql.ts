import { rename, rm } from 'node:fs/promises'
import { extname } from 'node:path'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { holdingPath } from '../../base/hold-path.ts'
import type { CheckOutcome, RestoredBytes, RestoreOutcome, RestoreRequest, SnapshotEntry } from '../source.ts'
import { applyMeta, createPrivate, likeExisting, removePartialSidecars } from './restore-file.ts'
import {
  locateTarget,
  moveSidecars,
  removeMoved,
  requireFree,
  requireLeave,
  syncFile,
  syncFolder,
  type Target,
  targetError,
} from './restore-target.ts'
import { expectedOf, verificationFailed } from './restore-verify.ts'
import { Session } from './session.ts'
import type { SqlPart } from './sql-capture.ts'

/** More of a schema than any application has. */
const SCHEMA_LIMIT_BYTES = 256 << 20

/**
 * Types `schema` and `data`. To a folder or a path that ends in `.sql`: the SQL file. To any other path: a schema becomes
 * an empty database with it; data alone makes none, and is refused.
 */
export async function restoreSql(
  request: RestoreRequest,
  entry: SnapshotEntry,
  part: SqlPart,
): Promise<RestoreOutcome> {
  const target = await locateTarget(request.target, entry.path)
  const asText = extname(target.path).toLowerCase() === '.sql'
  if (!asText && part === 'data') throw needsSchema(target)
  requireLeave(request, target, undefined)
  return await holdingPath(target.path, () => restoreInto(request, target, entry, asText))
}

async function restoreInto(
  request: RestoreRequest,
  target: Target,
  entry: SnapshotEntry,
  asText: boolean,
): Promise<RestoreOutcome> {
  const session = new Session(request.signal)
  try {
    await requireFree(target, session)
    await rm(target.partial, { force: true })
    await createPrivate(target.partial)
    const done = asText ? await writeText(request, target, entry) : await buildDatabase(request, target, entry, session)
    throwIfAborted(request.signal)
    await applyMeta(target.partial, target.existing ? likeExisting(target.existing, entry.node) : entry.node)
    await syncFile(target.partial)
    await moveSidecars(target)
    await rename(target.partial, target.path)
    await syncFolder(target)
    await removeMoved(target)
    return { ...done, target: target.path, files: 1, findings: [] }
  } catch (error) {
    throw targetError(error, target.path)
  } finally {
    await session.close()
  }
}

type Done = RestoredBytes & { readonly checks: readonly CheckOutcome[] }

async function writeText(request: RestoreRequest, target: Target, entry: SnapshotEntry): Promise<Done> {
  const bytes = await request.snapshot.restoreFiles([{ node: entry.node, path: target.partial, delta: false }])
  return { ...bytes, checks: [] }
}

async function buildDatabase(
  request: RestoreRequest,
  target: Target,
  entry: SnapshotEntry,
  session: Session,
): Promise<Done> {
  const sql = await readText(request, entry)
  await removePartialSidecars(target)
  await session.call('openPrivate', { path: target.partial })
  await session.call('run', { sql })
  const expected = expectedOf(request.snapshot.manifest)
  const { checks } = request.checks ? await session.call('check', { expected }) : { checks: [] }
  await session.call('settle', {})
  if (checks.some(check => !check.passed)) {
    await rename(target.partial, target.failed)
    throw verificationFailed(target, checks, target.failed)
  }
  const sizeBytes = Buffer.byteLength(sql)
  return { totalBytes: sizeBytes, writtenBytes: sizeBytes, checks }
}

async function readText(request: RestoreRequest, entry: SnapshotEntry): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request.snapshot.read(entry.node)) {
    throwIfAborted(request.signal)
    size += part.length
    if (size > SCHEMA_LIMIT_BYTES) throw tooLong(request.target)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function tooLong(target: string): AppError {
  return new AppError('target-invalid', `the schema is too long to build ${target} from it`, {
    hint: 'Restore it to a path that ends in .sql, and load that with sqlite3.',
  })
}

function needsSchema(target: Target): AppError {
  return new AppError('target-invalid', `a backup of type data holds rows only, so ${target.path} can not be built`, {
    hint: 'Restore it to a path that ends in .sql, then load it into a database with the schema: sqlite3 app.db < data.sql',
  })
}
