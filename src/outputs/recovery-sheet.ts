import { z } from 'zod'
import type { RecoverySheet } from '../operations/recovery-sheet/recovery-sheet.ts'
import { absolutePath, type Json, repositoryName, time } from './fields.ts'

const passwordPlace = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path: absolutePath }),
  z.strictObject({ kind: z.literal('variable'), name: z.string() }),
  z.strictObject({ kind: z.literal('command'), program: z.string() }),
  z.strictObject({ kind: z.literal('configuration') }).describe('in clear'),
])

const url = z.string().describe('as `--from` takes it, without a password')

const sheet = z.strictObject({
  madeAt: time,
  host: z.string(),
  programVersion: z.string(),
  file: absolutePath.describe('the configuration'),
  folder: absolutePath.describe('where it is'),
  repositories: z.array(
    z.strictObject({
      name: repositoryName,
      url,
      isFolder: z.boolean().describe('of this machine’s file systems'),
      password: passwordPlace.describe('where its password is now'),
    }),
  ),
  from: repositoryName.describe('that the commands take all from, where they can'),
  needs: z
    .strictObject({
      url,
      isFolder: z.boolean(),
      password: passwordPlace,
      passwordVariable: z.string().describe('the variable that the password is to be in'),
      credentials: z
        .array(z.strictObject({ what: z.string(), variables: z.array(z.string()), elsewhere: z.string().optional() }))
        .describe(
          'what lets a new machine into the storage: names of variables of the environment, or where else it may be',
        ),
      variables: z.array(
        z.strictObject({
          name: z.string(),
          keys: z.array(z.string()).describe('of the configuration that use it'),
          inClear: z.boolean().describe('a secret that stands in the configuration in clear now'),
          inEnvFile: z.boolean().describe('one of the files gives it'),
        }),
      ),
      files: z.array(z.strictObject({ key: z.string(), path: absolutePath })),
      leftOut: z.array(z.string()).describe('keys of what comes back as comments'),
    })
    .describe('what a new machine needs; never values of secrets'),
  commands: z.array(z.string()).describe('to be typed first, in this order'),
  sources: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.string(),
      place: z.string().nullable().describe('where its data belongs; null: only its server knows'),
      repository: repositoryName.nullable().describe('null: no policy says where its recovery points go'),
      command: z.string().describe('FOLDER stands for a folder to choose'),
      byRestic: z
        .strictObject({ list: z.string(), restore: z.string(), gives: z.string() })
        .describe('the way back without Lifeboat; SNAPSHOT stands for an id of the list'),
    }),
  ),
})

export function recoverySheetJson({ sources, ...rest }: RecoverySheet): Json<typeof sheet> {
  const plain = sources.map(each => ({ ...each, place: each.place ?? null, repository: each.repository ?? null }))
  return { ...rest, sources: plain }
}

export const RECOVERY_SHEET_OUTPUTS = { 'recovery-sheet': sheet }
