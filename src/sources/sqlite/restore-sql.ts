import { rename, rm } from 'node:fs/promises'
import { extname } from 'node:path'
import { syncFile } from '../../base/durable.ts'
import { AppError, throwIfAborted } from '../../base/errors.ts'
import { holdingPath } from '../../base/hold-path.ts'
import type { CheckOutcome, RestoredBytes, RestoreOutcome, RestoreRequest } from '../source.ts'
import { applyMeta, createPrivate, likeExisting, removePartialSidecars } from './restore-file.ts'
import {
  locateTarget,
  prepareChange,
  putInPlace,
  requireFree,
  requireLeave,
  requirePartialFree,
  type Target,
  targetError,
} from './restore-target.ts'
import { expectedOf, verificationFailed } from './restore-verify.ts'
import { Session } from './session.ts'
import type { SqlPart } from './sql-capture.ts'
import type { SqlText } from './sql-text.ts'

/** More of a schema than any application has. */
const SCHEMA_LIMIT_BYTES = 256 << 20

/**
 * Types `schema` and `data`. To a folder or a path that ends in `.sql`: the SQL file. To any other path: a schema becomes
 * an empty database with it; data alone makes none, and is refused.
 */
export async function restoreSql(request: RestoreRequest, text: SqlText, part: SqlPart): Promise<RestoreOutcome> {
  const target = await locateTarget(request.target, text.name)
  const asText = extname(target.path).toLowerCase() === '.sql'
  if (!asText && part === 'data') throw needsSchema(target)
  requireLeave(request, target, false)
  return await holdingPath(target.path, () => restoreInto(request, target, text, asText))
}

async function restoreInto(
  request: RestoreRequest,
  target: Target,
  text: SqlText,
  asText: boolean,
): Promise<RestoreOutcome> {
  const session = new Session(request.signal)
  try {
    if (request.beforeChange === undefined) await requireFree(target)
    else await requirePartialFree(target)
    await rm(target.partial, { force: true })
    await createPrivate(target.partial)
    const done: Done = asText
      ? { ...(await text.writeTo(target.partial)), checks: [] }
      : await buildDatabase(request, target, text, session)
    throwIfAborted(request.signal)
    await applyMeta(target.partial, target.existing ? likeExisting(target.existing, text.meta) : text.meta)
    await syncFile(target.partial)
    await prepareChange(request, target)
    const kept = await putInPlace(target, request)
    return { ...done, target: target.path, files: 1, findings: [], kept }
  } catch (error) {
    throw targetError(error, target.path)
  } finally {
    await session.close()
  }
}

type Done = RestoredBytes & { readonly checks: readonly CheckOutcome[] }

async function buildDatabase(request: RestoreRequest, target: Target, text: SqlText, session: Session): Promise<Done> {
  const sql = await readText(request, text)
  await removePartialSidecars(target)
  await session.call('openPrivate', { path: target.partial })
  await session.call('run', { sql })
  const whole = expectedOf(request.snapshot.manifest)
  const expected = whole && { ...whole, tables: [], foreignKeyViolations: 0 }
  const { checks } = request.checks ? await session.call('check', { expected }) : { checks: [] }
  await session.call('settle', {})
  if (checks.some(check => !check.passed)) {
    await rename(target.partial, target.failed)
    throw verificationFailed(target, checks, target.failed)
  }
  const sizeBytes = Buffer.byteLength(sql)
  return { totalBytes: sizeBytes, writtenBytes: sizeBytes, checks }
}

async function readText(request: RestoreRequest, text: SqlText): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of text.read()) {
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
  return new AppError('target-invalid', `a backup of type data holds rows only, so ${target.path} cannot be built`, {
    hint: 'Restore it to a path that ends in .sql, then load it into a database with the schema: sqlite3 app.db < data.sql',
  })
}
