import { z } from 'zod'
import { MERGE_REASONS, type MergeReport } from '../model/merge-report.ts'
import { CONFLICT_RULES } from '../model/merge-rules.ts'
import { count, type Json } from './fields.ts'

const mergedTable = z.strictObject({
  table: z.string(),
  key: z.array(z.string()).describe('the columns that said which rows are the same'),
  onConflict: z.enum(CONFLICT_RULES),
  rows: count.describe('in the backup; those below are of them'),
  added: count,
  matched: count.describe('were there already, by their key'),
  different: count.describe('of the matched: have other values here, which stay'),
  updated: count.describe('of the matched: took the backup’s values'),
  remapped: count.describe('under another id here than in the backup; what refers to them follows'),
  skipped: count,
  reasons: z.array(
    z.strictObject({
      why: z.enum(MERGE_REASONS),
      rows: count,
      examples: z.array(z.string()).describe('the first few, as `email=ada@example.com`'),
    }),
  ),
})

/** What a merge did, or with a dry run would do: the same figures. */
export const mergeOutput = z.strictObject({
  dryRun: z.boolean(),
  changed: z.boolean().describe('a row was added or updated'),
  tables: z.array(mergedTable),
  left: z
    .array(
      z.strictObject({
        table: z.string(),
        why: z.enum([
          'rule',
          'only-in-backup',
          'only-in-target',
          'migrations',
          'needs-application',
          'not-readable',
          'index-outdated',
        ]),
        rows: count.nullable().describe('in the backup; null where it has no such table'),
      }),
    )
    .describe('tables that were left as they are'),
  differences: z
    .array(
      z.strictObject({
        table: z.string(),
        column: z.string(),
        kind: z.enum(['only-in-backup', 'only-in-target', 'type']),
        backup: z.string().nullable().describe('its type there'),
        target: z.string().nullable().describe('its type here'),
      }),
    )
    .describe('columns that are not the same on both sides'),
})

export function mergeJson({ dryRun, changed, tables, left, differences }: MergeReport): Json<typeof mergeOutput> {
  return {
    dryRun,
    changed,
    tables,
    left: left.map(({ table, why, rows }) => ({ table, why, rows: rows ?? null })),
    differences: differences.map(({ backup, target, ...each }) => ({
      ...each,
      backup: backup ?? null,
      target: target ?? null,
    })),
  }
}
