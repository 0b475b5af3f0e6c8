import { z } from 'zod'

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
})

export type SftpOptions = z.output<typeof sftpOptions>
