import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
import { connectionsOption } from '../connections.ts'
import { lockOption } from '../lock-option.ts'

export const options = z.strictObject({
  credentials: secretOption
    .optional()
    .describe(
      'Where the JSON key of a service account is: `{ file: PATH }`, `{ env: VARIABLE }` or `{ command: [...] }`. Default: `GOOGLE_ACCESS_TOKEN`, `GOOGLE_APPLICATION_CREDENTIALS`, the login of `gcloud`, the account of this machine.',
    ),
  lock: lockOption.optional(),
  connections: connectionsOption(8),
  storageClass: z
    .enum(['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE'])
    .optional()
    .describe(
      'Storage class of packs of data; all of them can be read at once, the colder ones for a price. Default: the bucket’s.',
    ),
  kmsKeyName: z
    .string()
    .regex(
      /^projects\/[^/?#]+\/locations\/[^/?#]+\/keyRings\/[^/?#]+\/cryptoKeys\/[^/?#]+$/,
      'the whole name of a key: projects/P/locations/L/keyRings/R/cryptoKeys/K',
    )
    .optional()
    .describe(
      'Key of Cloud KMS that objects are encrypted with, besides Lifeboat’s own encryption. Default: the bucket’s.',
    ),
})

export type GcsOptions = z.output<typeof options>
