import { z } from 'zod'

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The keys that every program of a person's own has. */
export const commandSettings = {
  command: z
    .array(z.string().min(1, 'a text that is not empty'), 'a program and its arguments, as a list')
    .min(1, 'a program and its arguments, as a list'),
  environment: z
    .array(z.string().regex(VARIABLE, 'the name of an environment variable'), 'a list of names of variables')
    .optional()
    .describe(
      'Variables of the environment that it gets too, by name. It always gets PATH, HOME, USER, LANG, TZ and the like; nothing else, for that may be a secret.',
    ),
}
