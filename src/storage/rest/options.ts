import { z } from 'zod'
import { secretOption } from '../../model/secret-option.ts'
import { connectionsOption } from '../connections.ts'

const text = z.string().min(1, 'a text that is not empty')

export const restOptions = z.strictObject({
  username: text.optional().describe('Who logs in. Default: the one in the URL, else `RESTIC_REST_USERNAME`.'),
  password: secretOption
    .optional()
    .describe(
      'Where the password is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`. Default: `RESTIC_REST_PASSWORD`.',
    ),
  connections: connectionsOption(8),
  caFile: text.optional().describe('Certificates of authorities (PEM) that are believed beside the system’s.'),
})

export type RestOptions = z.output<typeof restOptions>
