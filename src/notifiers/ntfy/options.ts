import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'

export const ntfyOptions = z.strictObject({
  url: secretOption.describe('Where the address of the topic is, as https://ntfy.sh/TOPIC: who knows it can read it.'),
  token: secretOption.optional().describe('Where the access token is, for a topic that needs one.'),
})

export type NtfyOptions = z.output<typeof ntfyOptions>
