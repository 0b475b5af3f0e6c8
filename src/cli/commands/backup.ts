import type { App } from '../../app/app.ts'
import { formatDuration } from '../../base/durations.ts'
import { ERROR_CODES } from '../../base/error-codes.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { BACKUP_TYPES } from '../../model/manifest.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { BackedUp, BackupAttempt } from '../../operations/backup/back-up.ts'
import type { BackupResult } from '../../operations/backup/backup.ts'
import type { BackupWish } from '../../operations/backup/copies.ts'
import type { Copy } from '../../operations/verify/due.ts'
import { exitCodeOfProofs } from '../../operations/verify/exit-code.ts'
import { backupJson, plannedJson } from '../../outputs/backup.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { counted, formatError, formatFindings } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import type { Paint } from '../terminal.ts'
import { describeVerified } from '../verification.ts'

export const backup: Command<Printed<'backup'>> = {
  name: 'backup',
  summary: 'back up one, several or all sources',
  description: [
    'Backs up each source to the repositories of its policies, or to the one given with --repo. Unchanged data is neither read nor stored again. Applications can keep writing.',
    'Exits with 3 if something could not be captured as it was, such as a file that changed while it was read: the snapshot exists, and its findings say what is wrong. Exits with 21 if a policy says `verify` and the snapshot did not pass (it is kept), and with 22 if data in it was lost. With --dry-run, exits with 20 if a source could not be captured now.',
    'Runs the hooks of the policies that the backup is taken for: `before` ahead of the first copy for a policy, `after` when the last has ended, even if interrupted, and `onFailure` at the end if anything failed. If `before` fails, nothing is backed up for that policy.',
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
    const [only] = attempts
    if (
      attempts.length === 1 &&
      only !== undefined &&
      'error' in only &&
      hooks.every(each => each.error === only.error)
    ) {
      throw only.error
    }
    return {
      json: backupJson(outcome),
      text: attempts.map(each => ('error' in each ? '' : describe(each, call))).join(''),
      problems: attempts
        .map(each => ('error' in each ? describeError(each, call) : ''))
        .concat(hooks.filter(each => each.hook !== 'before').map(({ error }) => formatError(error, call.terminal.err)))
        .join(''),
      exitCode: exitCodeOf(attempts) || (hooks[0]?.error.exitCode ?? 0),
    }
  },
}

async function sayPlan(call: Call, app: App, wish: BackupWish): Promise<Output<Printed<'backup'>>> {
  const { planBackup } = await import('../../operations/backup/plan-backup.ts')
  const { describePlanned } = await import('../planned-backup.ts')
  const copies = await planBackup(app, wish, call.caller)
  const failed = copies.flatMap(each => ('error' in each ? [each.error] : []))
  const ready = copies.every(each => 'error' in each || each.ready)
  return {
    json: plannedJson(copies),
    text: copies.map(each => ('error' in each ? '' : describePlanned(each, call.terminal.out))).join(''),
    problems: copies.map(each => ('error' in each ? describeError(each, call) : '')).join(''),
    exitCode: failed[0]?.exitCode ?? (ready ? 0 : 20),
  }
}

function exitCodeOf(attempts: readonly BackupAttempt[]): number {
  const errors = attempts.flatMap(each => ('error' in each ? [each.error] : []))
  const [first] = errors
  if (first !== undefined && errors.length === attempts.length) return first.exitCode
  const proofs = attempts.flatMap(each => ('result' in each && each.verification ? [each.verification] : []))
  const verified = exitCodeOfProofs(proofs.flatMap(each => (each instanceof AppError ? [] : [each.result])))
  if (verified !== 0) return verified
  // A proof that was promised and not given: as if it had failed.
  if (proofs.some(each => each instanceof AppError)) return ERROR_CODES['verification-failed'].exit
  const incomplete = errors.length > 0 || attempts.some(each => 'result' in each && !each.result.complete)
  return incomplete ? 3 : 0
}

function describeError({ source, repository, error }: Copy & { readonly error: AppError }, call: Call): string {
  return `${source} -> ${repository}: ${formatError(error, call.terminal.err)}`
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

function describeVerification({ verification }: Copy & BackedUp, paint: Paint): string {
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
