import { z } from 'zod'
import { absolutePath, id, repositoryName, time } from './fields.ts'

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
      }),
    ),
    gitignore: z.array(z.string()).describe('lines that were added'),
    from: broughtBack.optional().describe('with `--from`: where the configuration came from'),
  }),
}
