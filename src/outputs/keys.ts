import { z } from 'zod'
import { SHORT_ID_DIGITS } from '../model/recovery-point.ts'
import type { KeyInfo } from '../repository/index.ts'
import { absolutePath, id, type Json, repositoryName, shortId, time } from './fields.ts'

const key = z.strictObject({
  id,
  shortId,
  hostname: z.string(),
  username: z.string(),
  created: time,
  current: z.boolean().describe('the one that this command used'),
})

export function keyJson({ id: keyId, hostname, username, created, current }: KeyInfo): Json<typeof key> {
  return { id: keyId, shortId: keyId.slice(0, SHORT_ID_DIGITS), hostname, username, created, current }
}

const keptUntil = time
  .nullable()
  .describe(
    'until then a locked old version of the removed key’s file stays in the bucket, and its password opens that',
  )

export const KEY_OUTPUTS = {
  'key list': z.strictObject({ repository: repositoryName, keys: z.array(key) }),
  'key add': z.strictObject({ repository: repositoryName, key }),
  'key remove': z.strictObject({
    repository: repositoryName,
    removed: z.string(),
    keptUntil,
  }),
  'key passwd': z.strictObject({
    repository: repositoryName,
    key,
    passwordFile: absolutePath.nullable().describe('the file that was changed too'),
    keptUntil,
  }),
}
