import { realpathSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import type { App } from '../app.ts'
import { AppError, isAppError } from '../base/errors.ts'
import { parseEpochMicros } from '../base/times.ts'
import type { Finding } from '../model/finding.ts'
import type { RecoveryRequest, RecoveryTarget } from '../model/recovery-target.ts'
import { parseLsn } from '../model/wal.ts'
import type { Call, OptionSpec } from './command.ts'
import { type ChosenSnapshot, newestOf, repositoryNames, warnOf } from './selection.ts'

/** How a restore is told the moment that a cluster is recovered to. */
export const RECOVERY_OPTIONS: readonly OptionSpec[] = [
  { flags: '--at <time>', summary: 'the moment: for a physical postgres source recovered from its log' },
  { flags: '--lsn <position>', summary: 'recover a cluster to this position of its log, like 0/3000028' },
  { flags: '--xid <number>', summary: 'recover a cluster to just after this transaction' },
  { flags: '--name <name>', summary: 'recover a cluster to this restore point' },
  { flags: '--immediate', summary: 'recover a cluster only as far as it takes to be consistent' },
  { flags: '--exclusive', summary: 'stop just before the moment, not just after it' },
  { flags: '--timeline <timeline>', summary: 'along this timeline: a number, current or latest (default: latest)' },
  { flags: '--tablespace <oid=path>', summary: 'put a tablespace (by OID or old path) there', repeat: true },
  { flags: '--start', summary: 'start a server on the restored cluster, on a free port' },
]

/** What the flags ask for; undefined when none is given. `usage` for more than one target, or a target that is none. */
export function recoveryTargetOf({ values, clock }: Call): RecoveryTarget | undefined {
  const targets: RecoveryTarget[] = []
  const at = values.text('at')
  if (at !== undefined) {
    targets.push({ kind: 'time', epochMicros: parseEpochMicros(at, clock.now()) ?? invalid('--at', at, TIMES) })
  }
  const lsn = values.text('lsn')
  if (lsn !== undefined) {
    if (parseLsn(lsn) === undefined) invalid('--lsn', lsn, 'Positions look like 0/3000028.')
    targets.push({ kind: 'lsn', lsn })
  }
  const xid = values.text('xid')
  if (xid !== undefined) {
    if (!/^\d{1,19}$/.test(xid)) invalid('--xid', xid, 'Give the number that pg_current_xact_id() returned.')
    targets.push({ kind: 'xid', xid })
  }
  const name = values.text('name')
  if (name !== undefined) targets.push({ kind: 'name', name })
  if (values.flag('immediate')) targets.push({ kind: 'immediate' })
  if (targets.length > 1) {
    throw new AppError('usage', 'there is more than one moment to recover to', {
      hint: 'Give one of --at, --lsn, --xid, --name and --immediate.',
    })
  }
  return targets[0] ?? (values.text('timeline') === undefined ? undefined : { kind: 'end' })
}

const TIMES = 'Write a time like "2026-09-04 01:59:30" or "3h ago".'

function invalid(flag: string, text: string, hint: string): never {
  throw new AppError('usage', `${flag} cannot be "${text}"`, { hint })
}

/** The newest backup that ended before the target and reaches it, or the one that is named, from whichever repository. */
export async function chooseBackup(
  call: Call,
  app: App,
  source: string,
  target: RecoveryTarget,
  snapshot?: string,
): Promise<ChosenSnapshot> {
  const { getBaseFor } = await import('../operations/wal/choose-base.ts')
  const timeline = timelineOf(call)
  const { signal } = call
  const now = app.clock.now()
  // With --start we go to the end of the log ourselves where it comes to that.
  const onFinding = call.values.flag('start') ? undefined : (finding: Finding) => warnOf(call, finding)
  const found: ChosenSnapshot[] = []
  let failure: AppError | undefined
  for (const name of repositoryNames(call, app)) {
    try {
      const repository = await app.openRepository(name)
      const base = await getBaseFor({ repository, source, target, timeline, snapshot, now, signal, onFinding })
      found.push({ name, repository, snapshot: await repository.getSnapshot(base.snapshot) })
    } catch (error) {
      if (!isAppError(error) || isAppError(error, 'interrupted')) throw error
      failure ??= error
    }
  }
  const newest = newestOf(found, now)
  if (newest) return newest
  throw failure ?? new AppError('snapshot-not-found', `there is no backup of ${source}`)
}

/** What a restored cluster is told, with the command that brings it its log: this very program. */
export async function recoveryRequestOf(
  call: Call,
  app: App,
  { repository, snapshot }: ChosenSnapshot,
  source: string,
  target: RecoveryTarget,
): Promise<RecoveryRequest> {
  const timeline = timelineOf(call)
  const { loadManifest } = await import('../operations/browse/snapshot-tree.ts')
  const { fetchedFolder } = await import('../operations/wal/spool.ts')
  const system = (await loadManifest(repository, snapshot))?.database?.properties['systemIdentifier']
  const fetched = quoteForPostgres(await fetchedFolder(join(await app.stateFolder(), 'wal'), String(system)))
  const program = [process.execPath, realpathSync(process.argv[1] ?? '')]
  // We believed it; the server's user may not, for whom it is somebody else's.
  const words = [...program, '--config', app.config.file, '--trust-config', 'wal', 'fetch', '--source', source]
  return {
    target,
    timeline,
    ...(call.values.flag('exclusive') ? { inclusive: false } : {}),
    // What was fetched ahead is taken by the shell itself: no program that has to start is as fast.
    restoreCommand: `mv -f ${fetched}/%f "%p" 2>/dev/null || ${words.map(quoteForPostgres).join(' ')} "%f" "%p"`,
  }
}

function timelineOf({ values }: Call): string | undefined {
  const timeline = values.text('timeline')
  if (timeline === undefined || /^(latest|current|[1-9]\d*)$/.test(timeline)) return timeline
  return invalid('--timeline', timeline, 'Give a number, current or latest.')
}

/** For the shell that runs it, and PostgreSQL before that, to which a percent sign is special. */
function quoteForPostgres(word: string): string {
  const escaped = word.replaceAll('%', '%%')
  return /^[\w./:=@%+-]+$/.test(escaped) ? escaped : `'${escaped.replaceAll("'", `'\\''`)}'`
}

export function tablespacesOf({ values }: Call): ReadonlyMap<string, string> {
  const places = new Map<string, string>()
  for (const text of values.list('tablespace')) {
    const at = text.lastIndexOf('=')
    const [from, to] = [text.slice(0, at), text.slice(at + 1)]
    if (at <= 0 || to === '') invalid('--tablespace', text, 'Write OID=/new/path or /old/path=/new/path.')
    places.set(from, isAbsolute(to) ? to : resolve(to))
  }
  return places
}
