import { z } from 'zod'

const word = z.string().min(1, 'a text that is not empty')

/** By the names that restic's users know: `-o rclone.program=...`, `-o rclone.args=...`. */
export const rcloneOptions = z.strictObject({
  program: z
    .union([word, z.array(word).min(1)])
    .optional()
    .describe(
      'The program, or a list of it and its first arguments, such as `[ssh, host, rclone]`. Default: `rclone` on the PATH.',
    ),
  args: z
    .array(word)
    .min(1)
    .optional()
    .describe(
      'Its arguments as a list, before REMOTE:PATH. Default: `[serve, restic, --stdio, --b2-hard-delete]`. Other users of this machine can see them: no secrets.',
    ),
})

export type RcloneOptions = z.output<typeof rcloneOptions>
