import { z } from 'zod'
import { describeRule } from '../model/masking/rules.ts'
import { checksSchema, reportSchema } from '../model/report-schema.ts'
import type { Merged } from '../operations/merge/merge-into.ts'
import type { SafeMergeResult } from '../operations/merge/safely.ts'
import type { Restored } from '../operations/restore/carry-out.ts'
import { PHASES, STRATEGIES } from '../operations/restore/journal.ts'
import { SETTLED_OUTCOMES, type SettledRestore } from '../operations/restore/settle.ts'
import { findingsOf } from '../operations/restore/unfinished.ts'
import type { ListedRestore, Undone } from '../operations/undo/undo-restore.ts'
import { absolutePath, bytes, count, findings, id, type Json, repositoryName, shortId, time } from './fields.ts'
import { incompleteSchema } from './incomplete.ts'
import { mergeJson, mergeOutput } from './merge.ts'
import { pointJson } from './point.ts'

const kept = z
  .array(z.strictObject({ target: z.string(), kept: z.string().describe('its name now') }))
  .describe('what was there and lies beside, under another name')

const restored = z.strictObject({
  source: z.string(),
  kind: z.string(),
  repository: repositoryName,
  snapshot: id,
  shortId,
  time,
  target: z.string().describe('absolute path, or the URL of a database without its password'),
  files: count,
  totalBytes: bytes.describe('size of what was restored'),
  writtenBytes: bytes.describe('what had to be written'),
  durationMs: count,
  run: z.string().describe('id of the run: what `lifeboat undo` takes'),
  strategy: z.enum(STRATEGIES).describe('how the target was changed'),
  steps: reportSchema.shape.steps.describe('what was done, in order'),
  safetySnapshot: id.nullable().describe('the recovery point of what was there'),
  kept,
  masked: z
    .array(
      z.strictObject({
        table: z.string(),
        column: z.string(),
        rule: z.string(),
        follows: z.string().nullable().describe('the column that it refers to, and is masked as'),
        values: count.describe('how many were replaced'),
      }),
    )
    .optional()
    .describe('with a mask: each column that has a rule'),
  removed: z.boolean().describe('it was a temporary copy (--target test) and is gone again'),
  checks: checksSchema,
  incomplete: incompleteSchema.describe('what the snapshot lacks of what was asked for; null: nothing'),
  leftOut: z
    .boolean()
    .describe('something that the snapshot has did not come back as it was, see findings: exit code 3'),
  helped: z.boolean().describe('some of it came from other repositories than the one that was chosen, see findings'),
  findings,
  started: z
    .strictObject({
      port: count,
      socketDir: absolutePath,
      logFile: absolutePath,
      timeline: count,
      reachedLsn: z.string().optional(),
      lastCommitAt: time.optional().describe('of the last transaction that was replayed'),
    })
    .optional()
    .describe('with --start: the server that runs on it now, and the moment that it reached'),
})

const merged = mergeOutput
  .extend({
    run: z.string().describe('id of the run: what `lifeboat undo` takes'),
    strategy: z.literal('merge'),
    repository: repositoryName,
    snapshot: id,
    shortId,
    time,
    target: z.string(),
    safetySnapshot: id.nullable().describe('the recovery point of what was there'),
    steps: reportSchema.shape.steps,
    durationMs: count,
    leftOut: z.boolean().describe('a table could not be merged, or a search index not be renewed: exit code 3'),
    findings,
  })
  .describe('with --strategy merge')

const undone = z.strictObject({
  run: z.string().describe('id of this run: an undo can be undone'),
  undone: z.string().describe('run of the restore that was taken back'),
  source: z.string(),
  target: z.string(),
  from: z.enum(['kept', 'safety-point']).describe('where what was there came from'),
  safety: id.nullable().describe('the safety recovery point that was restored'),
  safetySnapshot: id.nullable().describe('the recovery point of what was there until now'),
  written: z
    .array(
      z.strictObject({
        name: z.string().describe('a table; `files` of a folder'),
        written: count.nullable().describe('rows or files that came or changed since the restore; null: not counted'),
        gone: count.optional().describe('of those that the restore brought: changed since, or gone'),
      }),
    )
    .nullable()
    .describe('what was written since the restore to what was taken back; null where that can’t be told'),
  kept,
  steps: reportSchema.shape.steps,
  durationMs: count,
  findings,
})

const undoable = z.strictObject({
  run: z.string(),
  startedAt: time,
  operation: z.enum(['restore', 'undo']),
  strategy: z.enum(STRATEGIES),
  source: z.string(),
  target: z.string(),
  places: z
    .array(z.string())
    .describe('all that it changed: more than the target where that is a server of several databases'),
  phase: z.enum(PHASES),
  canUndo: z.boolean(),
  why: z.string().nullable().describe('why it can’t be undone'),
  undoneBy: z.string().nullable(),
})

const settled = z.strictObject({
  run: z.string().describe('of the restore that was interrupted'),
  source: z.string(),
  target: z.string(),
  outcome: z.enum(SETTLED_OUTCOMES),
  findings,
})

/** What restores print with `--json`. */
export const RESTORE_OUTPUTS = {
  restore: z.union([
    restored,
    reportSchema.describe('with --dry-run: what would be done'),
    merged,
    mergeOutput.extend({ report: reportSchema }).describe('with --strategy merge --dry-run: what would be done'),
  ]),
  undo: z.union([
    undone,
    z.strictObject({ discarded: z.string(), removed: kept }).describe('with --discard'),
    z.array(undoable).describe('with --list, oldest first'),
    z.array(settled).describe('with --settle'),
  ]),
}

export function restoredJson({ plan, result, removed }: Restored): Json<typeof restored> {
  const { entry, kept: _, masked, incomplete, ...rest } = result
  return {
    ...rest,
    ...pointJson({ name: plan.repository.name, snapshot: plan.snapshot }),
    safetySnapshot: entry.safety?.snapshot ?? null,
    kept: entry.kept,
    incomplete: incomplete ?? null,
    removed,
    ...(masked === undefined
      ? {}
      : {
          masked: masked.map(({ rule, follows, ...column }) => ({
            ...column,
            rule: describeRule(rule),
            follows: follows ?? null,
          })),
        }),
  }
}

export function mergedJson({ plan, result }: Merged<SafeMergeResult>, leftOut: boolean): Json<typeof merged> {
  const { run, target, entry, steps, durationMs, findings: found } = result
  return {
    ...mergeJson(result),
    run,
    strategy: 'merge',
    ...pointJson({ name: plan.repository.name, snapshot: plan.snapshot }),
    target,
    safetySnapshot: entry.safety?.snapshot ?? null,
    steps,
    durationMs,
    leftOut,
    findings: found,
  }
}

export function undoneJson({ plan, result, durationMs }: Undone): Json<typeof undone> {
  const { entry, undone: taken, ...rest } = result
  return {
    ...rest,
    undone: taken.run,
    source: taken.source,
    safety: result.safety ?? null,
    safetySnapshot: entry.safety?.snapshot ?? null,
    written: plan.written?.map(each => ({ ...each, written: each.written ?? null })) ?? null,
    kept: entry.kept,
    durationMs,
  }
}

export function settledJson(each: SettledRestore): Json<typeof settled> {
  const { run, source, target } = each.entry
  return { run, source, target, outcome: each.outcome, findings: findingsOf(each) }
}

export function undoableJson({ entry, way }: ListedRestore): Json<typeof undoable> {
  const { run, startedAt, operation, strategy, source, target, places, phase, undoneBy } = entry
  return {
    run,
    startedAt: new Date(startedAt),
    operation,
    strategy,
    source,
    target,
    places,
    phase,
    canUndo: way === undefined || way.open,
    why: way === undefined || way.open ? null : way.why,
    undoneBy: undoneBy ?? null,
  }
}
