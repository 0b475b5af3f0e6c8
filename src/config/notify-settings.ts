import { z } from 'zod'
import { secretOption } from '../model/secret-option.ts'
import { NOTIFIERS } from '../notifiers/registry.ts'

const common = {
  on: z
    .array(z.enum(['error', 'warning']))
    .min(1)
    .default(['error', 'warning'])
    .describe('Which alerts it gets; default: both. Success is no alert.'),
}

/** One way to tell people: `kind` and that kind's own keys. */
export function notifierSchema(): z.ZodType<NotifierSettings> {
  const kinds = NOTIFIERS.map(({ kind, summary, options }) =>
    options.safeExtend({ kind: z.literal(kind).describe(summary), ...common }).describe(summary),
  )
  const [first, ...rest] = kinds
  if (first === undefined) throw new TypeError('no kind of notifier is registered')
  return z.discriminatedUnion('kind', [first, ...rest]).transform(({ kind, on, ...options }) => ({
    kind: String(kind),
    on: on as NotifierSettings['on'],
    options,
  }))
}

export interface NotifierSettings {
  readonly kind: string
  readonly on: readonly ('error' | 'warning')[]
  readonly options: unknown
}

/** A dead man's switch. */
export const ping = z
  .strictObject({
    url: secretOption.describe('Where its address is: `{ env: VARIABLE }`, `{ file: PATH }` or `{ command: [...] }`.'),
  })
  .describe(
    'An address, as of healthchecks.io, that `lifeboat serve` asks every 15 minutes while all is well, and with `/fail` behind it while it is not. Whoever watches it hears when this machine is gone.',
  )
