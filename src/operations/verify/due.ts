import type { Catalog, Run } from '../../catalog/catalog.ts'
import { isOfFuture, type ProofLevel } from '../../model/recovery-point.ts'

export interface VerificationRule {
  readonly level: ProofLevel
  /** One in so many backups. */
  readonly every: number
}

export interface Copy {
  readonly source: string
  /** Its name in the configuration. */
  readonly repository: string
}

/** More than a rule can count. */
const LOOKED_BACK = 10_000

/**
 * Is the backup that was just recorded one to verify? The first is, and then each time that so many came since the last
 * verification that went as far as the rule wants, whoever asked for it and however it ended. What a wrong clock put
 * into the future is nothing to count from.
 */
export async function isVerificationDue(
  catalog: Catalog,
  copy: Copy,
  rule: VerificationRule,
  now: Date,
): Promise<boolean> {
  if (rule.every === 1) return true
  const { source } = copy
  const verifications = await catalog.listRuns({ operation: 'verify', source, limit: LOOKED_BACK })
  const last = verifications.find(
    run =>
      isOf(run, copy) &&
      !isOfFuture(run.startedAt, now) &&
      (rule.level === 'checked' || run.statistics['restored'] === 1),
  )
  if (last === undefined) return true
  const backups = await catalog.listRuns({ operation: 'backup', source, limit: LOOKED_BACK })
  return backups.filter(run => isOf(run, copy) && run.startedAt > last.startedAt).length >= rule.every
}

/** Runs that came to an end: what failed has left nothing that could be verified, or has verified nothing. */
function isOf(run: Run, { repository }: Copy): boolean {
  return run.repository === repository && (run.outcome === 'done' || run.outcome === 'incomplete')
}
