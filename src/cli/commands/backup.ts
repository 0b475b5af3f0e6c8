import type { App } from '../../app/app.ts'
import { formatDuration } from '../../base/durations.ts'
import { ERROR_CODES } from '../../base/error-codes.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { BACKUP_TYPES } from '../../model/manifest.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Arrived, BackedUp, BackupOutcome } from '../../operations/backup/back-up.ts'
import type { BackupResult } from '../../operations/backup/backup.ts'
import type { BackupWish } from '../../operations/backup/copies.ts'
import type { Copy } from '../../operations/verify/due.ts'
import { exitCodeOfProofs } from '../../operations/verify/exit-code.ts'
import { backupJson, plannedJson } from '../../outputs/backup.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { describeCopied } from '../copied.ts'
import { counted, formatError, formatFindings } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import type { Paint } from '../terminal.ts'
import { describeVerified } from '../verification.ts'

export const backup: Command<Printed<'backup'>> = {
  name: 'backup',
  summary: 'back up one, several or all sources',
  description: [
    'Backs up each source to the repositories of its policies, or to the one given with --repo. Unchanged data is neither read nor stored again. Applications can keep writing.',
    'With several repositories each source is captured once, into the first that can be written to (those on this machine come first), and copied from there to the others: they hold the same recovery point. One that is slow or does not answer delays no other. What it lacks then is brought by the next backup; until then the exit code is 3.',
    'Exits with 3 if something could not be captured as it was, such as a file that changed while it was read: the snapshot exists, and its findings say what is wrong. Exits with 21 if a policy says `verify` and the snapshot did not pass (it is kept), and with 22 if data in it was lost. With --dry-run, exits with 20 if a source could not be captured now.',
    'Runs the hooks of the policies that the backup is taken for: `before` ahead of the first capture for a policy, `after` when the last has ended, even if interrupted, and `onFailure` at the end if anything failed. If `before` fails, nothing is backed up for that policy.',
  ],
  arguments: [{ name: 'sources', summary: 'names of sources (default: all)', variadic: true, complete: 'sources' }],
  options: [
    {
      flags: '-t, --type <type>',
      summary: 'type of backup (default: as in the policy, or incremental)',
      choices: BACKUP_TYPES,
    },
    { flags: '-p, --policy <name>', summary: 'back up for this policy: its sources, repositories, type and retention' },
    { flags: '--tag <tag>', summary: 'tag the snapshot', repeat: true },
    { flags: '-n, --dry-run', summary: 'say what would be backed up, where to and how; write nothing, run no hook' },
  ],
  examples: [
    { command: 'lifeboat backup', explains: 'every source, as its policies say' },
    { command: 'lifeboat backup --policy nightly', explains: 'for one policy, as run from cron' },
    { command: 'lifeboat backup --dry-run', explains: 'what a backup would do' },
    { command: 'lifeboat backup app --type full', explains: 'one source, reading everything again' },
    { command: 'lifeboat backup app --repo offsite --tag before-upgrade', explains: 'to one repository, tagged' },
  ],
  run: async call => {
    const app = await call.openApp()
    const { values } = call
    const wish = {
      sources: values.list('sources'),
      policy: values.text('policy'),
      repository: repoOf(call),
      type: BACKUP_TYPES.find(type => type === values.text('type')),
      tags: values.list('tag'),
    }
    if (call.values.flag('dryRun')) return await sayPlan(call, app, wish)
    const { backUp } = await import('../../operations/backup/back-up.ts')
    const outcome = await backUp(app, wish, call.caller)
    const { attempts, hooks } = outcome
    const [first] = attempts
    if (
      first !== undefined &&
      'error' in first &&
      attempts.every(each => 'error' in each && each.error === first.error) &&
      hooks.every(each => each.error === first.error)
    ) {
      throw first.error
    }
    return {
      json: backupJson(outcome),
      text: describeOutcome(outcome, call),
      problems: describeErrors(outcome, call),
      exitCode: exitCodeOf(outcome) || (hooks[0]?.error.exitCode ?? 0),
    }
  },
}

async function sayPlan(call: Call, app: App, wish: BackupWish): Promise<Output<Printed<'backup'>>> {
  const { planBackup } = await import('../../operations/backup/plan-backup.ts')
  const { describePlanned } = await import('../planned-backup.ts')
  const copies = await planBackup(app, wish, call.caller)
  const failed = copies.flatMap(each => ('error' in each ? [each.error] : []))
  const ready = copies.every(each => !('ready' in each) || each.ready)
  return {
    json: plannedJson(copies),
    text: copies.map(each => ('error' in each ? '' : describePlanned(each, call.terminal.out))).join(''),
    problems: describeFailed(
      copies.filter(each => 'error' in each),
      call,
    ),
    exitCode: failed[0]?.exitCode ?? (ready ? 0 : 20),
  }
}

function exitCodeOf({ attempts, copies }: BackupOutcome): number {
  const errors = attempts.flatMap(each => ('error' in each ? [each.error] : []))
  const [first] = errors
  if (first !== undefined && errors.length === attempts.length) return first.exitCode
  const proofs = attempts.flatMap(each => ('error' in each || !each.verification ? [] : [each.verification]))
  const verified = exitCodeOfProofs(proofs.flatMap(each => (each instanceof AppError ? [] : [each.result])))
  if (verified !== 0) return verified
  // A proof that was promised and not given: as if it had failed.
  if (proofs.some(each => each instanceof AppError)) return ERROR_CODES['verification-failed'].exit
  const incomplete =
    errors.length > 0 ||
    attempts.some(each => 'result' in each && !each.result.complete) ||
    copies.some(each => 'error' in each || !each.result.complete)
  return incomplete ? 3 : 0
}

function describeOutcome({ attempts, copies }: BackupOutcome, call: Call): string {
  const paint = call.terminal.out
  const captured = attempts.map(each => ('result' in each ? describe(each, call) : ''))
  const arrived = attempts.map(each => ('from' in each ? describeArrived(each, paint) : ''))
  const copied = copies.map(each =>
    'error' in each ? '' : `${each.from} -> ${each.to}: ${describeCopied(each.result, paint)}`,
  )
  return [...captured, ...arrived, ...copied].join('')
}

function describeErrors({ attempts, copies, hooks }: BackupOutcome, call: Call): string {
  const failed = attempts.filter(each => 'error' in each)
  const told = new Set(failed.map(({ error }) => error))
  const notCopied = copies.flatMap(each => ('error' in each && !told.has(each.error) ? [each] : []))
  return [
    describeFailed(failed, call),
    ...notCopied.map(({ from, to, error }) => `${from} -> ${to}: ${formatError(error, call.terminal.err)}`),
    ...hooks.filter(each => each.hook !== 'before').map(({ error }) => formatError(error, call.terminal.err)),
  ].join('')
}

/** What failed for one reason is told once. */
function describeFailed(failed: ReadonlyArray<Copy & { readonly error: AppError }>, call: Call): string {
  const lines = [...Map.groupBy(failed, ({ error }) => error)].map(([error, each]) => {
    const names = (key: 'source' | 'repository'): string => [...new Set(each.map(copy => copy[key]))].join(', ')
    return `${names('source')} -> ${names('repository')}: ${formatError(error, call.terminal.err)}`
  })
  return lines.join('')
}

function describeArrived(attempt: Copy & Arrived, paint: Paint): string {
  const { source, repository, from, snapshot } = attempt
  const id = paint('bold', snapshot.id.slice(0, SHORT_ID_DIGITS))
  return `${source} -> ${repository}: snapshot ${id}, copied from ${from}\n${describeVerification(attempt, paint)}`
}

function describe(attempt: Copy & BackedUp, call: Call): string {
  const paint = call.terminal.out
  const head = `${attempt.source} -> ${attempt.repository}`
  const { result } = attempt
  const id = paint('bold', result.snapshot.id.slice(0, SHORT_ID_DIGITS))
  const size = `${formatSize(result.sizeBytes)} in ${counted(result.files, 'file')}`
  const cost = `read ${formatSize(result.bytesRead)}, ${formatSize(result.bytesNew)} new, stored ${formatSize(result.bytesStored)}`
  const news = result.findings.filter(finding => !result.knownFindings.includes(finding))
  const warning = result.complete ? '' : `  ${paint('yellow', 'incomplete')}, see below\n`
  return `${head}: snapshot ${id}, ${size}\n  ${cost}, ${formatDuration(result.durationMs)}\n${warning}${formatFindings(news, paint)}${describeKnown(result)}${describeVerification(attempt, paint)}`
}

function describeVerification({ verification }: Pick<BackedUp, 'verification'>, paint: Paint): string {
  if (verification === undefined) return ''
  if (verification instanceof AppError) return `  not verified: ${formatError(verification, paint)}`
  const text = describeVerified(verification, paint)
  return `  verified: ${text.trimEnd().replaceAll('\n', '\n  ')}\n`
}

/** What was said of the snapshot before and is still so need not be read every night. */
function describeKnown({ knownFindings, source }: BackupResult): string {
  const warnings = knownFindings.filter(finding => finding.severity === 'warning').length
  if (warnings === 0) return ''
  return `  ${counted(warnings, 'warning')} as before: "lifeboat probe ${source}"\n`
}
