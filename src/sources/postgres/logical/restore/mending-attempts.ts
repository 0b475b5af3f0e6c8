import { quoteIdentifier, type Session } from '../../../../clients/postgres/index.ts'
import type { TocEntry } from '../archive/toc.ts'
import { missingRoles } from '../roles.ts'
import { policyRoles } from '../sql-text.ts'

export interface Attempt {
  readonly sql: string
  readonly searchPath: string
  /** What is told when it succeeds. */
  readonly code: 'needed-search-path' | 'constraint-not-valid' | 'policy-without-role'
}

/** Ways to make one entry, the truest first. */
export async function attemptsFor(
  session: Session,
  entry: TocEntry,
  sql: string,
  searchPath: string,
): Promise<Attempt[]> {
  const same: Attempt = { sql, searchPath, code: 'needed-search-path' }
  const attempts = [same]
  if (entry.schema !== undefined) {
    attempts.push({ ...same, searchPath: `${quoteIdentifier(entry.schema)}, ${searchPath}` })
  }
  if (entry.kind === 'FK CONSTRAINT') {
    attempts.push({ ...same, sql: sql.replace(/;\s*$/, ' NOT VALID;'), code: 'constraint-not-valid' })
  }
  if (entry.kind === 'POLICY') {
    const reduced = await withoutMissingRoles(session, sql)
    if (reduced !== undefined) attempts.push({ ...same, sql: reduced, code: 'policy-without-role' })
  }
  return attempts
}

/** A role that does not exist is nobody: without it the policy says the same. One that is for nobody at all is not needed. */
async function withoutMissingRoles(session: Session, sql: string): Promise<string | undefined> {
  const roles = policyRoles(sql)
  const missing = await missingRoles(session, roles)
  const left = roles.filter(role => !missing.includes(role))
  if (missing.length === 0 || left.length === 0) return undefined
  return sql.replace(/ TO (?:"(?:[^"]|"")+"|[^\s"]+)(?:, (?:"(?:[^"]|"")+"|[^\s"]+))*(?= USING| WITH CHECK|;)/, () => {
    return ` TO ${left.map(quoteIdentifier).join(', ')}`
  })
}
