import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'

export const webhookOptions = z.strictObject({
  url: secretOption.describe('Where its address is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.'),
  secret: secretOption
    .optional()
    .describe(
      'Where the key is that signs what is sent, in the headers `X-Lifeboat-Timestamp` and `X-Lifeboat-Signature`.',
    ),
})

export type WebhookOptions = z.output<typeof webhookOptions>
