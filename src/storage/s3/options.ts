import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
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
    caFile: text.optional().describe('Certificates of authorities (PEM) that are believed beside the system’s.'),
    lock: lockOption.optional(),
    storageClass: z
      .enum(['STANDARD_IA', 'ONEZONE_IA', 'INTELLIGENT_TIERING', 'GLACIER_IR', 'REDUCED_REDUNDANCY'])
      .optional()
      .describe('Storage class of packs. Only those that can be read at once: packs hold what every command needs.'),
    encryption: z
      .union([z.literal('AES256'), z.strictObject({ kmsKeyId: text })])
      .optional()
      .describe('Encryption by the service, besides Lifeboat’s own: `AES256`, or `{ kmsKeyId: KEY }`.'),
  })
  .refine(({ accessKeyId, secretKey }) => (accessKeyId === undefined) === (secretKey === undefined), {
    message: '"accessKeyId" and "secretKey" together, or neither',
  })
  .refine(({ accessKeyId, profile }) => accessKeyId === undefined || profile === undefined, {
    message: 'either "accessKeyId" or "profile"',
  })
  .refine(({ accessKeyId, sessionToken }) => sessionToken === undefined || accessKeyId !== undefined, {
    message: '"sessionToken" with "accessKeyId" and "secretKey"',
  })

export type S3Options = z.output<typeof options>
