import type { Attempt, Catalog } from '../../catalog/catalog.ts'
import { isOfFuture } from '../../model/recovery-point.ts'
import type { VerificationRule } from '../../model/settings.ts'

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
  /** Backups that would be recorded first. */
  coming = 0,
): Promise<boolean> {
  if (rule.every === 1) return true
  const verifications = await catalog.listAttempts({ operation: 'verify', ...copy, limit: LOOKED_BACK })
  const last = verifications.find(
    attempt =>
      cameToAnEnd(attempt) &&
      !isOfFuture(attempt.startedAt, now) &&
      (rule.level === 'checked' || attempt.statistics['restored'] === 1),
  )
  if (last === undefined) return true
  // It is captured into one repository, and copied to the others.
  const captured = await catalog.listAttempts({ operation: 'backup', ...copy, limit: LOOKED_BACK })
  const copied = await catalog.listAttempts({ operation: 'copy', ...copy, limit: LOOKED_BACK })
  return (
    [...captured, ...copied].filter(each => cameToAnEnd(each) && each.startedAt > last.startedAt).length + coming >=
    rule.every
  )
}

/** What failed has left nothing that could be verified, or has verified nothing. */
function cameToAnEnd({ outcome }: Attempt): boolean {
  return outcome === 'done' || outcome === 'incomplete'
}
