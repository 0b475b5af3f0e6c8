import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'
import { commandSettings } from './command-settings.ts'

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

/** What a person runs around an operation. */
export const hook = z.union([commandHook, httpHook], { error: 'a mapping with "command" or "http"' })
