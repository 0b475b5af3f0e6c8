import { z } from 'zod'
import { findingSchema } from './finding-schema.ts'
import { REPORT_OUTCOMES, type Report, STEP_OUTCOMES } from './report.ts'
import { timeSchema } from './time-schema.ts'

const count = z.int().min(0)

export const checksSchema = z.array(
  z.strictObject({ name: z.string(), passed: z.boolean(), expected: z.string(), found: z.string() }),
)

/** A report as JSON: what `--report FILE.json` writes and `lifeboat report --json` prints. */
export const reportSchema = z.strictObject({
  title: z.string(),
  outcome: z.enum(REPORT_OUTCOMES),
  verdict: z.string().optional(),
  run: z.string().describe('id of the run'),
  about: z
    .strictObject({
      operation: z.string(),
      source: z.string(),
      repository: z.string().describe('its name in the configuration'),
      snapshot: z.string().describe('id of the snapshot'),
    })
    .optional()
    .describe('what was done, with what; absent in a report of several'),
  startedAt: timeSchema,
  durationMs: count,
  facts: z.array(z.strictObject({ name: z.string(), value: z.string() })),
  steps: z.array(
    z.strictObject({
      name: z.string(),
      outcome: z.enum(STEP_OUTCOMES),
      durationMs: count,
      rows: count.optional(),
      bytes: count.optional(),
      note: z.string().optional(),
    }),
  ),
  checks: checksSchema,
  tables: z.array(
    z.strictObject({
      title: z.string(),
      columns: z.array(z.strictObject({ name: z.string(), align: z.enum(['left', 'right']) })),
      rows: z.array(z.array(z.string())),
    }),
  ),
  findings: z.array(findingSchema),
  next: z
    .array(z.strictObject({ command: z.string(), explains: z.string() }))
    .describe('what to type next: above all, how to take it back'),
})

/** Undefined for what is no report. */
export function parseReport(text: string): Report | undefined {
  // Optional keys are absent, not undefined: they come from JSON.
  return reportSchema.safeParse(parseJson(text)).data as Report | undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
