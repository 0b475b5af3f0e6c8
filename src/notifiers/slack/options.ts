import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'

export const slackOptions = z.strictObject({
  url: secretOption.describe(
    'Where the address of its webhook is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.',
  ),
})

export type SlackOptions = z.output<typeof slackOptions>
