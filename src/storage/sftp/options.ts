import { z } from 'zod'
import { connectionsOption } from '../connections.ts'

/** One connection keeps one core busy with its cipher. Servers allow ten or so, for all that a person does there. */
export const MOST_CONNECTIONS = 4

/** What `storage:` may say beside the URL. All else is said by the configuration of `ssh`. */
export const sftpOptions = z.strictObject({
  identityFile: z
    .string()
    .min(1)
    .optional()
    .describe('The private key to log in with, without a passphrase. Default: those that `ssh` tries by itself.'),
  knownHostsFile: z
    .string()
    .min(1)
    .optional()
    .describe('A file of known host keys. Default: the one that `ssh` uses by itself.'),
  connections: connectionsOption(MOST_CONNECTIONS, 16),
})

export type SftpOptions = z.output<typeof sftpOptions>
