import type { App } from '../../app.ts'
import { allDone } from '../../base/concurrency.ts'
import { formatDuration } from '../../base/durations.ts'
import { ERROR_CODES } from '../../base/error-codes.ts'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import { BACKUP_TYPES, type BackupType } from '../../model/manifest.ts'
import { policyTag, SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { BackupProgress, BackupResult } from '../../operations/backup/backup.ts'
import type { Source } from '../../sources/source.ts'
import type { Call, Command } from '../command.ts'
import { errorToJson } from '../printers/json.ts'
import { counted, formatError, formatFindings } from '../printers/text.ts'
import { repositoriesOf, requireSource, sourceNames } from '../selection.ts'
import type { Paint } from '../terminal.ts'
import { describeVerified, exitCodeOf as exitCodeOfVerified, type Verified, verifiedToJson } from '../verification.ts'

export const backup: Command = {
  name: 'backup',
  summary: 'take a recovery point of one, several or all sources',
  description: [
    'Each source goes to the repositories of its policies, or to the one of --repo. Unchanged data is neither read nor stored again. The application may go on writing.',
    'Ends with 3 when something could not be captured as it was, such as a file that changed while it was read: the snapshot is there, its findings say what is wrong with it. With 21 when a policy says `verify` and the snapshot, which stays, did not pass; with 22 when bytes of it were lost.',
  ],
  arguments: [{ name: 'sources', summary: 'names of sources (default: all)', variadic: true, complete: 'sources' }],
  options: [
    {
      flags: '-t, --type <type>',
      summary: 'what to take (default: the policy’s, or incremental)',
      choices: BACKUP_TYPES,
    },
    { flags: '-p, --policy <name>', summary: 'for this policy: its sources, repositories, type and retention' },
    { flags: '--tag <tag>', summary: 'a tag for the snapshot', repeat: true },
  ],
  examples: [
    { command: 'lifeboat backup', explains: 'every source, to where its policies say' },
    { command: 'lifeboat backup --policy nightly', explains: 'what a line of cron for this policy runs' },
    { command: 'lifeboat backup app --type full', explains: 'one source, everything read anew' },
    { command: 'lifeboat backup app --repo offsite --tag before-upgrade', explains: 'to one repository, with a tag' },
  ],
  run: async call => {
    const app = await call.openApp()
    const attempts: Attempt[] = []
    const pairs = pairsOf(call, app)
    for (const pair of pairs) attempts.push(await attempt(call, app, pair))
    const [only] = attempts
    if (attempts.length === 1 && only !== undefined && 'error' in only) throw only.error
    return {
      json: { sources: attempts.map(toJson) },
      text: attempts.map(each => ('error' in each ? '' : describe(each, call))).join(''),
      problems: attempts.map(each => ('error' in each ? describeError(each, call) : '')).join(''),
      exitCode: exitCodeOf(attempts),
    }
  },
}

type PolicySettings = NonNullable<ReturnType<App['config']['policies']['get']>>

interface Pair {
  readonly source: string
  readonly repository: string
}

function pairsOf(call: Call, app: App): readonly Pair[] {
  const policy = policyOf(call, app)
  if (policy === undefined) {
    return sourceNames(call, app).flatMap(source =>
      repositoriesOf(call, app, source).map(repository => ({ source, repository })),
    )
  }
  const { sources, repositories } = policy[1]
  const only = call.values.text('repo')
  const named = call.values.list('sources')
  for (const name of named) requireSource(app, name)
  const pairs = sources
    .filter(source => named.length === 0 || named.includes(source))
    .flatMap(source => repositories.map(repository => ({ source, repository })))
    .filter(({ repository }) => only === undefined || repository === only)
  if (pairs.length > 0) return pairs
  throw new AppError('usage', `policy ${policy[0]} has nothing to do with what you named`, {
    hint: `It takes ${sources.join(', ')} to ${repositories.join(', ')}.`,
  })
}

/** The policy that --policy names. */
function policyOf(call: Call, app: App): readonly [name: string, settings: PolicySettings] | undefined {
  const name = call.values.text('policy')
  if (name === undefined) return undefined
  const settings = app.config.policies.get(name)
  if (settings !== undefined) return [name, settings]
  const known = [...app.config.policies.keys()]
  throw new AppError('usage', `there is no policy "${name}" in ${app.config.file}`, {
    hint: known.length === 0 ? 'There is none.' : `There are: ${known.join(', ')}.`,
  })
}

/** Which policies judge how long it stays: the one that was named, else those that take backups of this type. */
function policyTagsOf(call: Call, app: App, pair: Pair, type: BackupType): string[] {
  const named = policyOf(call, app)
  if (named !== undefined) return [policyTag(named[0])]
  return policiesOf(app, pair)
    .filter(([, policy]) => (policy.type ?? DEFAULT_TYPE) === type)
    .map(([name]) => policyTag(name))
}

type Attempt = Pair & (Saved | { readonly error: AppError })

interface Saved {
  readonly result: BackupResult
  /** Where a policy asked for it: what came of it, or why it could not be tried. */
  readonly verification: Verified | AppError | undefined
}

/** One source that fails must not keep the others from being saved. */
async function attempt(call: Call, app: App, pair: Pair): Promise<Attempt> {
  try {
    const result = await backUp(call, app, pair)
    return { ...pair, result, verification: await verifyIfDue(call, app, pair, result) }
  } catch (error) {
    return { ...pair, error: ordinary(call, error) }
  }
}

/** What may happen to one and must not stop the others; anything else is thrown. */
function ordinary(call: Call, error: unknown): AppError {
  throwIfAborted(call.signal)
  if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
  return error
}

/** The backup is there, whatever comes of this. */
async function verifyIfDue(
  call: Call,
  app: App,
  pair: Pair,
  { snapshot }: BackupResult,
): Promise<Saved['verification']> {
  const policies = policiesFor(call, app, pair)
  const rule = policies.find(policy => policy.verify !== undefined)?.verify
  if (rule === undefined) return undefined
  try {
    const { isVerificationDue } = await import('../../operations/verify/due.ts')
    if (!(await isVerificationDue(app.catalog(), pair, rule, app.clock.now()))) return undefined
    const { verifySnapshot } = await import('../verification.ts')
    const repository = await app.openRepository(pair.repository)
    return await verifySnapshot(call, app, { name: pair.repository, repository, snapshot }, rule.level)
  } catch (error) {
    return ordinary(call, error)
  }
}

function policiesOf(app: App, { source, repository }: Pair) {
  return [...app.config.policies].filter(
    ([, policy]) => policy.sources.includes(source) && policy.repositories.includes(repository),
  )
}

/** Those whose settings count: the one that was named alone, if one was. */
function policiesFor(call: Call, app: App, pair: Pair): readonly PolicySettings[] {
  const named = policyOf(call, app)
  return named === undefined ? policiesOf(app, pair).map(([, policy]) => policy) : [named[1]]
}

const DEFAULT_TYPE: BackupType = 'incremental'

async function backUp(call: Call, app: App, pair: Pair): Promise<BackupResult> {
  // The password's derivation alone takes as long as all the rest.
  const [operation, { recordRun }, source, repository, context, excludePaths] = await allDone(
    import('../../operations/backup/backup.ts'),
    import('../../operations/runs/record-run.ts'),
    prepareSource(app, pair.source),
    app.openRepository(pair.repository),
    app.sourceContext(),
    app.excludedPaths(),
  )
  const type = typeOf(call, app, pair)
  return recordRun(
    { catalog: app.catalog(), clock: app.clock },
    { operation: 'backup', ...pair },
    runId =>
      operation.backup({
        ...context,
        source,
        repository,
        type,
        runId,
        tags: [...policyTagsOf(call, app, pair, type), ...call.values.list('tag')],
        host: app.host(),
        programVersion: app.programVersion,
        excludePaths,
        onProgress: progress => show(call, pair, progress),
      }),
    result => ({
      outcome: result.complete ? 'done' : 'incomplete',
      snapshot: result.snapshot.id,
      statistics: {
        files: result.files,
        sizeBytes: result.sizeBytes,
        bytesRead: result.bytesRead,
        bytesNew: result.bytesNew,
        bytesStored: result.bytesStored,
      },
      findings: result.findings,
    }),
  )
}

async function prepareSource(app: App, name: string): Promise<Source> {
  const source = await app.openSource(name)
  source.prepareCapture?.({ signal: app.signal })
  return source
}

function typeOf(call: Call, app: App, pair: Pair): BackupType {
  const wanted = BACKUP_TYPES.find(type => type === call.values.text('type'))
  return wanted ?? policiesFor(call, app, pair).find(policy => policy.type !== undefined)?.type ?? DEFAULT_TYPE
}

function show(call: Call, pair: Pair, progress: BackupProgress): void {
  call.progress.update({
    label: `backup ${pair.source}`,
    done: progress.bytesRead,
    total: progress.totalBytes,
    unit: 'bytes',
    details: [filesOf(progress), `${formatSize(progress.bytesNew)} new`],
  })
}

/** While the end of the walk is not known, the last snapshot tells how far it may be. */
function filesOf({ files, filesBefore = 0, totalBytes }: BackupProgress): string {
  const about = totalBytes === undefined && filesBefore > files ? ` of about ${filesBefore}` : ''
  return `${files}${about} ${files === 1 && about === '' ? 'file' : 'files'}`
}

function exitCodeOf(attempts: readonly Attempt[]): number {
  const errors = attempts.flatMap(each => ('error' in each ? [each.error] : []))
  const [first] = errors
  if (first !== undefined && errors.length === attempts.length) return first.exitCode
  const proofs = attempts.flatMap(each => ('result' in each && each.verification ? [each.verification] : []))
  const verified = exitCodeOfVerified(proofs.flatMap(each => (each instanceof AppError ? [] : [each.result])))
  if (verified !== 0) return verified
  // A proof that was promised and not given: as if it had failed.
  if (proofs.some(each => each instanceof AppError)) return ERROR_CODES['verification-failed'].exit
  const incomplete = errors.length > 0 || attempts.some(each => 'result' in each && !each.result.complete)
  return incomplete ? 3 : 0
}

function toJson(attempt: Attempt): unknown {
  const { source, repository } = attempt
  if ('error' in attempt) return { source, repository, ...(errorToJson(attempt.error) as object) }
  const { snapshot, parent, incomplete, knownFindings: _, ...figures } = attempt.result
  const shortId = snapshot.id.slice(0, SHORT_ID_DIGITS)
  const verification = verificationToJson(attempt)
  return {
    ...figures,
    repository,
    snapshot: snapshot.id,
    shortId,
    time: snapshot.time,
    parent: parent ?? null,
    incomplete: incomplete ?? null,
    ...(verification === undefined ? {} : { verification }),
  }
}

function verificationToJson({ source, verification }: Pair & Saved): unknown {
  if (verification === undefined) return undefined
  if (verification instanceof AppError) return { source, ...(errorToJson(verification) as object) }
  return verifiedToJson(verification)
}

function describeError({ source, repository, error }: Pair & { readonly error: AppError }, call: Call): string {
  return `${source} -> ${repository}: ${formatError(error, call.terminal.err)}`
}

function describe(attempt: Pair & Saved, call: Call): string {
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

function describeVerification({ verification }: Pair & Saved, paint: Paint): string {
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
