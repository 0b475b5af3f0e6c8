import { z } from 'zod'
import { BACKUP_TYPES, type Manifest } from './manifest.ts'

const finding = z.object({
  severity: z.enum(['info', 'warning', 'error']),
  code: z.string(),
  subject: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  affects: z.array(z.string()).optional(),
})

const column = z.object({
  name: z.string(),
  type: z.string(),
  notNull: z.boolean().optional(),
  key: z.boolean().optional(),
})

const tables = z.array(
  z.object({
    name: z.string(),
    rows: z.number().int().nonnegative(),
    estimated: z.boolean().optional(),
    withoutRows: z.boolean().optional(),
    columns: z.array(column).optional(),
  }),
)

const serverDatabase = z.object({
  name: z.string(),
  capturedAt: z.iso.datetime(),
  logPosition: z.string(),
  owner: z.string(),
  encoding: z.string(),
  collation: z.string(),
  characterType: z.string(),
  sizeBytes: z.number().int().nonnegative(),
  schemaFingerprint: z.string(),
  extensions: z.array(z.object({ name: z.string(), version: z.string() })),
  searchPath: z.string().optional(),
  tables,
  archives: z.array(z.string()),
})

const database = z.object({
  tables,
  databases: z.array(serverDatabase).optional(),
  schemaFingerprint: z.string(),
  schemaVersion: z.string().optional(),
  properties: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
})

const incomplete = z.object({
  count: z.number().int().positive(),
  entries: z.array(z.object({ path: z.string(), reason: z.string(), absent: z.boolean() })),
})

const manifest = z.object({
  format: z.literal(1),
  source: z.string(),
  kind: z.string(),
  type: z.enum(BACKUP_TYPES),
  engineVersion: z.string().optional(),
  consistency: z.enum(['transactional', 'per-file']),
  totals: z.object({ files: z.number().int().nonnegative(), sizeBytes: z.number().int().nonnegative() }),
  files: z.array(
    z.object({ path: z.string(), sizeBytes: z.number().int().nonnegative(), sha256: z.string().optional() }),
  ),
  database: database.optional(),
  incomplete: incomplete.optional(),
  findings: z.array(finding),
})

/** As it is kept in a snapshot. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, capturedAt: undefined }, undefined, 1)}\n`
}

/**
 * The manifest in JSON text, or undefined when it is not one that this version understands.
 *
 * @param capturedAt the time of its snapshot
 */
export function parseManifest(json: string, capturedAt: Date): Manifest | undefined {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined
  }
  const parsed = manifest.safeParse(value)
  // exactOptionalPropertyTypes: zod's optional() may say `undefined`; JSON can't carry it, so the shapes agree.
  return parsed.success ? ({ ...parsed.data, capturedAt: capturedAt.toISOString() } as Manifest) : undefined
}
