import { z } from 'zod'
import { reportSchema } from '../model/report-schema.ts'
import { ALERT_OUTPUTS } from './alerts.ts'
import { BACKUP_OUTPUTS } from './backup.ts'
import { BROWSE_OUTPUTS } from './browse.ts'
import { COPY_OUTPUTS } from './copy.ts'
import { DIFF_OUTPUTS } from './diff.ts'
import type { Json } from './fields.ts'
import { HISTORY_OUTPUTS } from './history.ts'
import { INIT_OUTPUTS } from './init.ts'
import { INSTALLATION_OUTPUTS } from './installation.ts'
import { KEY_OUTPUTS } from './keys.ts'
import { MAINTENANCE_OUTPUTS } from './maintenance.ts'
import { QUERY_OUTPUTS } from './query.ts'
import { RECOVERY_SHEET_OUTPUTS } from './recovery-sheet.ts'
import { REPAIR_OUTPUTS } from './repair.ts'
import { RESTORE_OUTPUTS } from './restore.ts'
import { RUNS_OUTPUTS } from './runs.ts'
import { SCHEDULE_OUTPUTS } from './schedule.ts'
import { SNAPSHOTS_OUTPUTS } from './snapshots.ts'
import { STATISTICS_OUTPUTS } from './statistics.ts'
import { STATUS_OUTPUTS } from './status.ts'
import { WAL_OUTPUTS } from './wal.ts'

/**
 * What every command prints with `--json`. The reference (docs/reference/json.md) is made from this, commands are held to it
 * by the compiler, and real outputs by the tests. Fields may be added in later versions, never removed or changed.
 */

/** By the command's name. */
export const JSON_OUTPUTS = {
  ...INIT_OUTPUTS,
  ...ALERT_OUTPUTS,
  ...BACKUP_OUTPUTS,
  ...RUNS_OUTPUTS,
  ...SCHEDULE_OUTPUTS,
  ...SNAPSHOTS_OUTPUTS,
  ...STATUS_OUTPUTS,
  ...RESTORE_OUTPUTS,
  report: z.union([reportSchema, z.array(reportSchema).describe('with --list: oldest first')]),
  ...BROWSE_OUTPUTS,
  ...DIFF_OUTPUTS,
  ...STATISTICS_OUTPUTS,
  ...MAINTENANCE_OUTPUTS,
  ...REPAIR_OUTPUTS,
  ...COPY_OUTPUTS,
  ...HISTORY_OUTPUTS,
  ...KEY_OUTPUTS,
  ...INSTALLATION_OUTPUTS,
  ...QUERY_OUTPUTS,
  ...RECOVERY_SHEET_OUTPUTS,
  ...WAL_OUTPUTS,
} satisfies Readonly<Record<string, z.ZodType>>

export type OutputName = keyof typeof JSON_OUTPUTS

/** What the command of that name prints. */
export type Printed<Name extends OutputName> = Json<(typeof JSON_OUTPUTS)[Name]>
