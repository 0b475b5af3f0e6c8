import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'

export const discordOptions = z.strictObject({
  url: secretOption.describe(
    'Where the address of its webhook is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.',
  ),
})

export type DiscordOptions = z.output<typeof discordOptions>
