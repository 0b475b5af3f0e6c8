import { AppError, messageOf } from '../../../../base/errors.ts'
import { describeConnection, quoteIdentifier, type Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { newKeepAs } from '../../../beside/names.ts'
import type { RestoreRequest } from '../../../source.ts'
import type { Kept } from '../../../target.ts'
import { keptNameOf } from '../database-names.ts'
import { placesOf } from '../target/choose-targets.ts'
import { quietKept } from '../target/replication.ts'
import { renameDatabases } from '../target/swap-databases.ts'
import type { DatabaseOutcome, DatabaseRestore, StagedDatabase } from './database-restore.ts'
import { databaseExists } from './staging-database.ts'

export interface PlacedDatabases extends DatabaseOutcome {
  readonly kept: readonly Kept[]
}

/**
 * Gives staged databases the names of their targets, all in one step; what had the names is kept under others. When one
 * of them failed its checks, none is placed. They are dropped when anything fails.
 */
export async function placeDatabases(
  admin: Session,
  request: RestoreRequest,
  staged: readonly StagedDatabase[],
): Promise<PlacedDatabases> {
  const checks = staged.flatMap(each => each.checks)
  const findings = staged.flatMap(each => each.findings)
  try {
    if (checks.some(check => !check.passed)) {
      await dropStaged(staged)
      return { checks, findings, kept: [] }
    }
    await listReplaced(staged)
    await request.beforeChange?.({
      places: staged.flatMap(({ restore }) => placesOf(restore.settings, [restore.target])),
    })
    // Again: whatever was done in between may have taken a while.
    const keepAs = request.keepAs ?? newKeepAs(request.clock.now())
    const kept = (await listReplaced(staged)).map(({ target }) => ({ target, kept: keptNameOf(target, keepAs) }))
    await renameDatabases(admin, [
      ...kept.map(each => ({ from: each.target, to: each.kept })),
      ...staged.map(({ restore, staging }) => ({ from: staging.name, to: restore.target })),
    ])
    const quieted = await quietKept(
      admin,
      kept.map(each => each.kept),
    ).catch(notQuieted)
    // Who asked for it by name decides on it, too.
    const told = request.keepAs === undefined ? kept.map(keptFinding) : []
    const masked = staged.flatMap(each => each.masked ?? [])
    return { checks, findings: [...findings, ...quieted, ...told], kept, masked }
  } catch (error) {
    await dropStaged(staged).catch(() => {})
    throw error
  }
}

/** The databases have their names: what fails from now on must not take that back. */
function notQuieted(error: unknown): Finding[] {
  return [
    {
      severity: 'warning',
      code: 'replication-unknown',
      subject: 'what was replaced',
      message: `it was not looked whether it holds replication slots or subscriptions: ${messageOf(error)}`,
      hint: 'Look into pg_replication_slots and pg_subscription.',
    },
  ]
}

export async function dropStaged(staged: readonly StagedDatabase[]): Promise<void> {
  for (const { staging } of staged) await staging.drop()
}

async function listReplaced(staged: readonly StagedDatabase[]): Promise<DatabaseRestore[]> {
  const replaced: DatabaseRestore[] = []
  for (const { restore } of staged) {
    if (!(await databaseExists(restore.admin, restore.target))) continue
    // Somebody made it while ours was being filled.
    if (!restore.request.force) throw targetExists(restore)
    replaced.push(restore)
  }
  return replaced
}

export function targetExists(restore: DatabaseRestore): AppError {
  const place = describeConnection(restore.settings, restore.target)
  return new AppError('target-exists', `database ${restore.target} is there already at ${place}`, {
    hint: 'Name a new database in the url, or add --force: the old one is then kept under another name.',
  })
}

function keptFinding({ target, kept }: Kept): Finding {
  return {
    severity: 'info',
    code: 'old-database-kept',
    subject: `database ${target}`,
    message: `the database that was there is now called ${kept}`,
    hint: `When all is well, drop it: DROP DATABASE ${quoteIdentifier(kept)};`,
  }
}
