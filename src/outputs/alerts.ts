import { z } from 'zod'
import type { AlertRecord } from '../catalog/catalog.ts'
import { findingSchema } from '../model/finding-schema.ts'
import { count, findings, type Json, time } from './fields.ts'

const alert = z.strictObject({
  finding: findingSchema,
  openedAt: time,
  toldAt: time.nullable().describe('when somebody was told last'),
  silencedUntil: time.nullable(),
  closedAt: time.nullable(),
})

/** What the commands about alerts print with `--json`. */
export const ALERT_OUTPUTS = {
  alerts: z.array(alert),
  'alerts check': z.strictObject({
    alerts: z.array(alert).describe('open now'),
    told: count.describe('notices that a notifier took'),
    waiting: count.describe('notices that none took yet; they are tried again'),
    findings: findings.describe('what is wrong with telling'),
  }),
  'alerts silence': z.array(alert),
  'notify test': z.strictObject({
    title: z.string(),
    text: z.string(),
    sent: z.array(z.strictObject({ name: z.string(), error: z.string().nullable() })),
  }),
}

export function alertJson({ finding, openedAt, toldAt, silencedUntil, closedAt }: AlertRecord): Json<typeof alert> {
  return {
    finding,
    openedAt,
    toldAt: toldAt ?? null,
    silencedUntil: silencedUntil ?? null,
    closedAt: closedAt ?? null,
  }
}
