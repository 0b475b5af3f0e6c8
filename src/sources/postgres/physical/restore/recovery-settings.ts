import { formatEpochMicros } from '../../../../base/times.ts'
import type { RecoveryTarget } from '../../../../model/recovery-target.ts'
import type { LogFetch, RecoveryRequest } from '../../../source.ts'

/** Settings of an earlier recovery, which must not steer this one. */
const RECOVERY_SETTING =
  /^\s*(?:restore_command|recovery_end_command|archive_cleanup_command|recovery_target\w*|primary_slot_name)\b/i

/**
 * The text of `postgresql.auto.conf` with the settings of this recovery at its end, where they win. Lines of an earlier
 * recovery go.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
 */
export function withRecoverySettings(text: string, recovery: RecoveryRequest | undefined): string {
  const kept = text.split('\n').filter(line => !RECOVERY_SETTING.test(line))
  while (kept.at(-1) === '') kept.pop()
  const lines = recovery === undefined ? [] : recoveryLines(recovery)
  return `${[...kept, ...lines].join('\n')}\n`
}

function recoveryLines(recovery: RecoveryRequest): string[] {
  const settings = [...targetSettings(recovery.target)]
  // Without a command PostgreSQL refuses to recover to a target; the log in pg_wal is found in any case.
  settings.push(['restore_command', recovery.log === undefined ? 'false' : restoreCommandOf(recovery.log)])
  if (recovery.branch !== undefined) settings.push(['recovery_target_timeline', recovery.branch])
  if (recovery.inclusive !== undefined) settings.push(['recovery_target_inclusive', recovery.inclusive ? 'on' : 'off'])
  if (recovery.target.kind !== 'end') settings.push(['recovery_target_action', 'promote'])
  return [
    '# Recovery settings by lifeboat restore; PostgreSQL looks at them only while recovery.signal exists.',
    ...settings.map(([name, value]) => `${name} = ${quoteSetting(value)}`),
  ]
}

function restoreCommandOf({ fetchCommand, fetchedFolder }: LogFetch): string {
  const fetch = `${fetchCommand.map(quoteForShell).join(' ')} "%f" "%p"`
  // What was fetched ahead is taken by the shell itself: no program that has to start is as fast.
  return fetchedFolder === undefined ? fetch : `mv -f ${quoteForShell(fetchedFolder)}/%f "%p" 2>/dev/null || ${fetch}`
}

/** For the shell that runs it, and PostgreSQL before that, to which a percent sign is special. */
function quoteForShell(word: string): string {
  const escaped = word.replaceAll('%', '%%')
  return /^[\w./:=@%+-]+$/.test(escaped) ? escaped : `'${escaped.replaceAll("'", `'\\''`)}'`
}

function targetSettings(target: RecoveryTarget): Array<[string, string]> {
  if (target.kind === 'time')
    return [['recovery_target_time', formatEpochMicros(target.epochMicros).replace('T', ' ').replace('Z', '+00')]]
  if (target.kind === 'position') return [['recovery_target_lsn', target.position]]
  if (target.kind === 'transaction') return [['recovery_target_xid', target.transaction]]
  if (target.kind === 'name') return [['recovery_target_name', target.name]]
  if (target.kind === 'immediate') return [['recovery_target', 'immediate']]
  return []
}

function quoteSetting(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}
