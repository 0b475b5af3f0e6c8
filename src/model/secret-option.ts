import { z } from 'zod'

const text = z.string().min(1, 'a text that is not empty')

/** A secret among an adapter's options: where it is, never itself. What it gives goes to `context.loadSecret`. */
export const secretOption = z.union(
  [
    z.strictObject({ file: text }),
    z.strictObject({ env: text }),
    z.strictObject({ command: z.array(text).min(1), commandEnv: z.array(text).optional() }),
  ],
  { error: 'where the secret is: { file: PATH }, { env: VARIABLE } or { command: [PROGRAM, ARGUMENT...] }' },
)
