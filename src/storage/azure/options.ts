import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
import { connectionsOption } from '../connections.ts'
import { lockOption } from '../lock-option.ts'

const text = z.string().min(1, 'a text that is not empty')

export const options = z
  .strictObject({
    accountName: text.optional().describe('Storage account; default `AZURE_ACCOUNT_NAME`.'),
    accountKey: secretOption
      .optional()
      .describe(
        'Where the account’s key is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`; default `AZURE_ACCOUNT_KEY`.',
      ),
    sas: secretOption
      .optional()
      .describe(
        'Where a shared access signature is, as `accountKey`; default `AZURE_ACCOUNT_SAS`. With neither: the identity of this machine or workload.',
      ),
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        'Of an emulator or a private endpoint; default `https://ACCOUNT.blob.core.windows.net`, its suffix from `AZURE_ENDPOINT_SUFFIX`.',
      ),
    lock: lockOption.optional(),
    connections: connectionsOption(8),
    accessTier: z
      .enum(['Hot', 'Cool', 'Cold', 'Archive'])
      .optional()
      .describe(
        'Access tier of packs of data; all else stays in the account’s own. `Archive` has to be thawed before a restore, which takes hours. Default: the account’s.',
      ),
    thaw: z
      .strictObject({
        tier: z
          .enum(['Hot', 'Cool', 'Cold'])
          .default('Hot')
          .describe('Where thawed packs go, and stay until a rule of the account moves them back; default `Hot`.'),
        priority: z
          .enum(['Standard', 'High'])
          .default('Standard')
          .describe('`High` may take less than an hour, for a price; default `Standard`.'),
      })
      .optional()
      .describe('How packs in `Archive` are thawed.'),
    encryptionScope: z
      .string()
      .regex(/^[A-Za-z0-9-]{3,63}$/, 'the name of an encryption scope: 3 to 63 letters, digits and "-"')
      .optional()
      .describe('Encryption scope of the account that blobs are encrypted with, besides Lifeboat’s own encryption.'),
  })
  .refine(({ accountKey, sas }) => accountKey === undefined || sas === undefined, {
    message: 'either "accountKey" or "sas"',
  })

export type AzureOptions = z.output<typeof options>
