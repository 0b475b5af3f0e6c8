import { z } from 'zod'
import { PROBED, type ProbeReport } from '../operations/probe/storage-probe.ts'
import { absolutePath, id, type Json, repositoryName, time } from './fields.ts'

const found = z.strictObject({
  sources: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.string(),
      why: z.string(),
      options: z.record(z.string(), z.string()).describe('its keys in the configuration'),
    }),
  ),
  others: z.array(
    z.strictObject({
      what: z.string(),
      where: z.string(),
      planned: z.boolean(),
      advice: z.string().optional().describe('how it can be protected'),
    }),
  ),
  envFiles: z.array(z.string()).describe('files with the variables that the sources use'),
  passedOver: z.array(z.string()).describe('folders that were not looked into'),
})

const broughtBack = z.strictObject({
  url: z.string(),
  repository: z.string().describe('name of this repository in the configuration'),
  snapshot: id,
  time,
  hostname: z.string(),
  leftOut: z
    .array(z.strictObject({ key: z.string(), value: z.unknown() }))
    .describe('what runs programs or sends requests: a comment in the file'),
  missing: z
    .strictObject({
      variables: z.array(z.string()),
      files: z.array(z.strictObject({ key: z.string(), path: z.string().describe('as it is written') })),
    })
    .describe('what this machine lacks'),
})

const probeReport = z.strictObject({
  location: z.string(),
  canRestore: z.boolean().nullable().describe('null, here and below: it was not found out'),
  canBackUp: z.boolean().nullable(),
  canDelete: z.boolean().nullable().describe('as forget and prune do'),
  checks: z.array(
    z.strictObject({
      name: z.enum(PROBED),
      status: z.enum(['ok', 'missing', 'unknown']),
      detail: z.string(),
      fix: z.string().optional(),
    }),
  ),
})

export function probeJson(report: ProbeReport | undefined): Json<typeof probeReport> | null {
  if (report === undefined) return null
  const { canRestore = null, canBackUp = null, canDelete = null, location, checks } = report
  return {
    location,
    canRestore,
    canBackUp,
    canDelete,
    checks: checks.map(({ fix, ...check }) => ({ ...check, ...(fix === undefined ? {} : { fix }) })),
  }
}

export const INIT_OUTPUTS = {
  init: z.strictObject({
    config: absolutePath.nullable().describe('null: a repository was named by its URL'),
    configCreated: z.boolean(),
    found: found.nullable().describe('null: there was a configuration, so nothing was looked for'),
    repositories: z.array(
      z.strictObject({
        name: repositoryName,
        location: z.string(),
        created: z.boolean(),
        id: id.nullable().describe('null: it was there already'),
        passwordFile: absolutePath.nullable(),
        passwordCreated: z.boolean(),
        probe: probeReport.nullable().describe('what its storage lets be done; null: a folder of this machine'),
      }),
    ),
    gitignore: z.array(z.string()).describe('lines that were added'),
    from: broughtBack.optional().describe('with `--from`: where the configuration came from'),
  }),
}
