import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
import { connectionsOption } from '../connections.ts'
import { lockOption } from '../lock-option.ts'

const text = z.string().min(1, 'a text that is not empty')

export const options = z
  .strictObject({
    accessKeyId: text
      .optional()
      .describe('Access key, with `secretKey`. Default: what the environment or `~/.aws` has.'),
    secretKey: secretOption
      .optional()
      .describe('Where the secret access key is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.'),
    sessionToken: secretOption.optional().describe('Where the token of temporary keys is, as `secretKey`.'),
    profile: text.optional().describe('Profile of `~/.aws/credentials` and `~/.aws/config`; default `AWS_PROFILE`.'),
    region: text
      .optional()
      .describe('Region of the bucket. Default: what the host’s name says, `AWS_REGION`, else `us-east-1`.'),
    pathStyle: z
      .boolean()
      .optional()
      .describe('Is the bucket in the path (`host/bucket`), or in the host’s name? Default: in the name on AWS alone.'),
    conditionalWrites: z
      .boolean()
      .optional()
      .describe(
        'Does the service refuse to store what is there already, when told to? `false` where "lifeboat doctor" finds that it does not: what is there is then looked for first. Default: yes.',
      ),
    connections: connectionsOption(8),
    caFile: text.optional().describe('Certificates of authorities (PEM) that are believed beside the system’s.'),
    lock: lockOption.optional(),
    storageClass: z
      .enum([
        'STANDARD_IA',
        'ONEZONE_IA',
        'INTELLIGENT_TIERING',
        'GLACIER_IR',
        'REDUCED_REDUNDANCY',
        'GLACIER',
        'DEEP_ARCHIVE',
      ])
      .optional()
      .describe(
        'Storage class of packs of data; all else stays in the bucket’s own. `GLACIER` and `DEEP_ARCHIVE` have to be thawed before a restore, which takes hours.',
      ),
    thaw: z
      .strictObject({
        days: z
          .int('a whole number')
          .min(1, 'a whole number from 1 to 365')
          .max(365, 'a whole number from 1 to 365')
          .default(7)
          .describe('How long what was thawed can be read; default 7.'),
        tier: z
          .enum(['Standard', 'Bulk', 'Expedited'])
          .default('Standard')
          .describe('How fast, and for how much: default `Standard`. `DEEP_ARCHIVE` has no `Expedited`.'),
      })
      .optional()
      .describe('How packs in `GLACIER` and `DEEP_ARCHIVE` are thawed.'),
    encryption: z
      .union([z.literal(['AES256', 'aws:kms']), z.strictObject({ kmsKeyId: text })], {
        error: 'AES256, aws:kms (with the key of the account), or { kmsKeyId: KEY }',
      })
      .optional()
      .describe(
        'Encryption by the service, besides Lifeboat’s own: `AES256`, `aws:kms` (with the account’s own key), or `{ kmsKeyId: KEY }`.',
      ),
  })
  .refine(({ accessKeyId, secretKey }) => (accessKeyId === undefined) === (secretKey === undefined), {
    message: '"accessKeyId" and "secretKey" together, or neither',
  })
  .refine(({ storageClass, thaw }) => storageClass !== 'DEEP_ARCHIVE' || thaw?.tier !== 'Expedited', {
    message: 'a tier of "thaw" that DEEP_ARCHIVE has: Standard or Bulk',
  })
  .refine(({ accessKeyId, profile }) => accessKeyId === undefined || profile === undefined, {
    message: 'either "accessKeyId" or "profile"',
  })
  .refine(({ accessKeyId, sessionToken }) => sessionToken === undefined || accessKeyId !== undefined, {
    message: '"sessionToken" with "accessKeyId" and "secretKey"',
  })

export type S3Options = z.output<typeof options>
