import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
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
    accessTier: z
      .enum(['Hot', 'Cool', 'Cold'])
      .optional()
      .describe('Access tier of packs. Only those that can be read at once. Default: the account’s.'),
  })
  .refine(({ accountKey, sas }) => accountKey === undefined || sas === undefined, {
    message: 'either "accountKey" or "sas"',
  })

export type AzureOptions = z.output<typeof options>
