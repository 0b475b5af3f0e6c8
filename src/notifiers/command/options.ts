import { z } from 'zod'

const text = z.string().min(1, 'a text that is not empty')

export const commandOptions = z.strictObject({
  command: z
    .array(text)
    .min(1)
    .describe(
      'Program and arguments, run without a shell. It is told by the variables `LIFEBOAT_TITLE`, `LIFEBOAT_TEXT`, `LIFEBOAT_SEVERITY`, `LIFEBOAT_EVENT`, and by `LIFEBOAT_NOTICE`, which is JSON.',
    ),
})

export type CommandOptions = z.output<typeof commandOptions>
