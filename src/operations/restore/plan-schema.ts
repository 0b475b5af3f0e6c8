import { z } from 'zod'
import { AppError } from '../../base/errors.ts'
import { findingSchema } from '../../model/finding-schema.ts'
import { reportSchema } from '../../model/report-schema.ts'
import { STRATEGIES } from './journal.ts'
import type { RestorePlan } from './plan.ts'

const texts = z.array(z.string())
const date = z.iso.datetime().transform(text => new Date(text))
const epochMicros = z.number().int()

const recoveryTarget = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('time'), epochMicros }),
  z.strictObject({ kind: z.literal('position'), position: z.string() }),
  z.strictObject({ kind: z.literal('transaction'), transaction: z.string().regex(/^\d{1,19}$/) }),
  z.strictObject({ kind: z.literal('name'), name: z.string() }),
  z.strictObject({ kind: z.literal('immediate') }),
  z.strictObject({ kind: z.literal('end') }),
])

const point = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('latest') }),
  z.strictObject({ kind: z.literal('at'), time: date }),
  z.strictObject({ kind: z.literal('id'), prefix: z.string() }),
])

const wish = z.strictObject({
  source: z.string().optional(),
  point: point.optional(),
  moment: z
    .strictObject({ target: recoveryTarget, branch: z.string().optional(), inclusive: z.boolean().optional() })
    .optional(),
  repository: z.string().optional(),
  host: z.string().optional(),
  to: z.string().optional(),
  target: z.enum(['own', 'test']).optional(),
  keep: z.boolean().optional(),
  strategy: z.enum(['replace', 'merge']).optional(),
  inPlace: z.boolean().optional(),
  delta: z.boolean().optional(),
  delete: z.boolean().optional(),
  checks: z.boolean().optional(),
  verify: z.boolean().optional(),
  include: texts.optional(),
  selection: z
    .strictObject({
      databases: texts.optional(),
      tables: texts.optional(),
      schemas: texts.optional(),
      part: z.enum(['schema', 'data']).optional(),
    })
    .optional(),
  mask: z.string().optional(),
  account: z.enum(['rows', 'counts']).optional(),
  waitForArchive: z.boolean().optional(),
  own: z.record(z.string(), z.unknown()).optional(),
})

const incomplete = z.strictObject({
  count: z.int(),
  entries: z.array(z.strictObject({ path: z.string(), reason: z.string(), absent: z.boolean() })),
})

const plan = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  madeAt: date,
  // Whoever held it may have changed it: it counts as nobody's here, and is looked at again before it is carried out.
  madeBy: z.string().transform(() => ''),
  wish,
  source: z.string(),
  kind: z.string(),
  repository: z.strictObject({ name: z.string(), id: z.string() }),
  snapshot: z.strictObject({ id: z.string(), time: date }),
  place: z
    .strictObject({
      target: z.string(),
      purpose: z.enum(['own', 'test', 'temporary']),
      scratch: z.string().optional(),
    })
    .transform(({ target, purpose }) => ({ target, purpose })),
  strategy: z.enum(STRATEGIES),
  survey: z.strictObject({ place: z.string(), places: texts.optional(), exists: z.boolean() }),
  incomplete: incomplete.optional(),
  account: z.strictObject({
    tables: reportSchema.shape.tables,
    findings: z.array(findingSchema),
    rowsLost: z.number(),
    surplus: z.number(),
  }),
  findings: z.array(findingSchema),
  settings: z.string(),
})

/** A plan that was kept as JSON (after `JSON.parse`). Throws `usage` for what is none, or one of another version. */
export function parseRestorePlan(json: unknown): RestorePlan {
  const parsed = plan.safeParse(json)
  // Keys that are absent were undefined: JSON knows no other way to say it.
  if (parsed.success) return parsed.data as RestorePlan
  const [issue] = parsed.error.issues
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `
  throw new AppError('usage', `this is no plan of a restore: ${where}${issue?.message ?? ''}`, {
    hint: 'Plan the restore again with this version of Lifeboat.',
  })
}
