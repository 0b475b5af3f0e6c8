/**
 * The library: what the command line does, with its types. `openApp` gives the workspace that every operation takes; plans
 * and results are plain data. `examples/embedded` shows it.
 */
export { type App, type AppOptions, openApp } from './app/app.ts'
export { ERROR_CODES, type ErrorCode } from './base/error-codes.ts'
export { AppError } from './base/errors.ts'
export type { Logger } from './base/logger.ts'
export { Secret } from './base/secret.ts'
export type { Attempt, Catalog, RunRecord } from './catalog/catalog.ts'
export type { Assertion } from './model/assertion.ts'
export type { Finding } from './model/finding.ts'
export type { BackupType, Manifest } from './model/manifest.ts'
export type { ProgressState } from './model/progress.ts'
export type { Proof, ProofLevel, ProofRecord, RecoveryPoint } from './model/recovery-point.ts'
export type { CheckOutcome, Report } from './model/report.ts'
export type { RetentionRules } from './model/retention.ts'
export type { ComparedTable, ListedRow } from './model/row-comparison.ts'
export { type BackupAttempt, type BackupOutcome, backUp } from './operations/backup/back-up.ts'
export type { BackupResult } from './operations/backup/backup.ts'
export type { BackupWish } from './operations/backup/copies.ts'
export { type PlannedBackup, type PlannedCopy, planBackup } from './operations/backup/plan-backup.ts'
export { catFile, type FileBytes } from './operations/cat/cat-file.ts'
export { checkRepository, type NamedCheckResult } from './operations/check/check-repository.ts'
export { compareRows, type RowDiff, type RowDiffWish } from './operations/diff/compare-rows.ts'
export { type Change, type DiffRequest, type DiffResult, diff } from './operations/diff/diff.ts'
export type { DoctorResult } from './operations/doctor/doctor.ts'
export { examine, type NoWorkspace, type Surroundings } from './operations/doctor/examine.ts'
export { type FindRequest, type FoundEntry, find } from './operations/find/find.ts'
export {
  type ForgetTask,
  type ForgetWish,
  type Forgotten,
  forgetNamed,
  forgetTask,
  forgetTasks,
} from './operations/forget/forget-snapshots.ts'
export { type HistoryResult, type HistoryWish, readHistory } from './operations/history/history.ts'
export { addKey, changePassword, listKeys, removeKey } from './operations/key/keys.ts'
export {
  fetchLogFile,
  type LogFileWish,
  type LogReceiveResult,
  type NamedLogStatus,
  pushLogFile,
  readLogStatuses,
  receiveLog,
} from './operations/logs/logs.ts'
export type { LogWish } from './operations/logs/places.ts'
export { type LsRequest, ls } from './operations/ls/ls.ts'
export { type Merged, mergeInto, planMerge, tryMerge } from './operations/merge/merge-into.ts'
export { type Pinned, type PinWish, pinSnapshot, unpinSnapshot } from './operations/pin/pin-snapshot.ts'
export { type ProbeResult, probe } from './operations/probe/probe.ts'
export { type NamedPruneReport, type PruneWish, pruneRepository } from './operations/prune/prune.ts'
export { type ReportFormat, renderReport } from './operations/report/render.ts'
export { carryOut, type Restored } from './operations/restore/carry-out.ts'
export { planRestore, type RestorePlan } from './operations/restore/plan.ts'
export { parseRestorePlan } from './operations/restore/plan-schema.ts'
export { planReport } from './operations/restore/restore-report.ts'
export type { Moment, RestoreWish } from './operations/restore/wish.ts'
export { type Choice, type ChosenSnapshot, chooseSnapshot } from './operations/snapshots/choose-snapshot.ts'
export type { SnapshotWish } from './operations/snapshots/find-snapshot.ts'
export { listRecoveryPoints, type SnapshotsRequest, type SnapshotsResult } from './operations/snapshots/snapshots.ts'
export { type StatsRequest, type StatsResult, stats } from './operations/stats/stats.ts'
export {
  discardKept,
  listRestores,
  planDiscard,
  planUndo,
  type Undone,
  type UndoPlan,
  undoRestore,
} from './operations/undo/undo-restore.ts'
export { prove, proveAll, type Verified, type VerifyAttempt } from './operations/verify/prove.ts'
export { type Caller, lookAround, type Run, type RunEvent } from './operations/workspace/run.ts'
export type { Workspace } from './operations/workspace/workspace.ts'
export type { RestoredCopy, Source } from './sources/source.ts'
