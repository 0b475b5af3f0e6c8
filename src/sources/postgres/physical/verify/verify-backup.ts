import { isAppError } from '../../../../base/errors.ts'
import { findPostgresTools, runTool } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { CheckOutcome, RestoreRequest } from '../../../source.ts'
import { textProperty } from '../cluster-properties.ts'

export interface Verification {
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
}

/**
 * Lets PostgreSQL's own program look at a restored directory: every file of the backup is there in its size, and the
 * log from the backup's start to its end can be read. The contents were checked block by block as they were written.
 */
export async function verifyBackup(
  request: RestoreRequest,
  dataDir: string,
  binDir: string | undefined,
): Promise<Verification> {
  const version = textProperty(request.snapshot.manifest, 'serverVersion') ?? ''
  const major = Number.parseInt(version, 10)
  const findings: Finding[] = []
  const check = (passed: boolean, found: string): Verification => ({
    checks: [{ name: 'pg_verifybackup', passed, expected: 'backup successfully verified', found }],
    findings,
  })
  try {
    const tools = await findPostgresTools({ versionNumber: major * 10_000, version }, binDir)
    // Each version reads its own log only.
    if (tools.major !== major) findings.push(logNotRead(tools.version, major))
    const args = ['--skip-checksums', ...(tools.major === major ? [] : ['--no-parse-wal']), dataDir]
    const { signal } = request
    const tool = 'pg_verifybackup'
    const text = await runTool(tools, { tool, args, settings: undefined, signal }, 'verify the restored cluster')
    return check(true, text.trim())
  } catch (error) {
    if (isAppError(error, 'tool-missing')) return { checks: [], findings: [notVerified(error.message)] }
    if (isAppError(error, 'tool-failed')) {
      const { said } = error.context
      return check(false, typeof said === 'string' ? said.trim() : error.message)
    }
    throw error
  }
}

function logNotRead(found: string, major: number): Finding {
  return {
    severity: 'info',
    code: 'log-not-read',
    subject: 'pg_verifybackup',
    message: `pg_verifybackup ${found} cannot read the log of PostgreSQL ${major}, so it looked at the files only`,
    hint: `Install the programs of PostgreSQL ${major} to have the log looked at as well.`,
  }
}

function notVerified(reason: string): Finding {
  return {
    severity: 'info',
    code: 'not-verified',
    subject: 'pg_verifybackup',
    message: `the restored cluster was not looked at by pg_verifybackup: ${reason}`,
    hint: 'Every block was checked against its hash all the same.',
  }
}
