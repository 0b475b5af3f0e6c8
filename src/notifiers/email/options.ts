import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'

const text = z.string().min(1, 'a text that is not empty')
const mailbox = z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/, 'an address like ops@example.com')

export const emailOptions = z.strictObject({
  to: z.union([mailbox, z.array(mailbox).min(1)]).describe('Who gets it.'),
  from: mailbox.describe('Who it is from; the server must let you send as this one.'),
  host: text.describe('The server that takes mail, as smtp.example.com.'),
  port: z
    .int()
    .min(1)
    .max(65_535)
    .default(587)
    .describe('465: encrypted from the first byte; others: as soon as it can be.'),
  username: text.optional(),
  password: secretOption
    .optional()
    .describe('Where the password is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.'),
  caFile: text.optional().describe('Certificates of authorities (PEM) that are believed instead of the system’s.'),
})

export type EmailOptions = z.output<typeof emailOptions>
