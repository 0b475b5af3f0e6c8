import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'
import { commandSettings } from './command-settings.ts'
import { mergeSettings } from './merge-settings.ts'

const text = z.string().min(1, 'a text that is not empty')
const timeout = z
  .string()
  .refine(value => parseDuration(value) !== undefined, 'a duration like "30s" or "5m"')
  .transform(value => parseDuration(value) ?? 0)
  .optional()
  .describe('How long it may take; default `1m`.')

const commandHook = z.strictObject({
  ...commandSettings,
  command: commandSettings.command.describe('A program, run without a shell in the folder of this file.'),
  timeout,
})

const httpHook = z.strictObject({
  http: z.url({ protocol: /^https?$/, error: 'an http or https URL' }).describe('A URL to call.'),
  method: z.enum(['GET', 'POST', 'PUT', 'DELETE']).optional().describe('Default `POST`.'),
  timeout,
})

const hook = z.union([commandHook, httpHook], { error: 'a mapping with "command" or "http"' })

/** How a source comes back: what stops and starts the application, where test copies go. */
export const restoreSettings = z
  .strictObject({
    before: hook
      .optional()
      .describe('Run before a restore changes what is there: stop the application. When it fails, nothing is changed.'),
    after: hook
      .optional()
      .describe('Run when the restored data is in place: start the application. When it fails, all is put back.'),
    test: text
      .optional()
      .describe('Where `lifeboat restore --target test` restores to: a path, or a `postgres://` URL.'),
    merge: mergeSettings.optional(),
    mask: text
      .optional()
      .describe(
        'A mask file: how `--target test` masks what it restores. Relative to this file; see [mask.yaml](mask.md).',
      ),
  })
  .describe('How this source is restored.')
