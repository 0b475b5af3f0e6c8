import { z } from 'zod'
import { hook } from './hook-settings.ts'
import { mergeSettings } from './merge-settings.ts'

const text = z.string().min(1, 'a text that is not empty')
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
      .describe(
        'Where `lifeboat restore --target test` restores to: a path, or a URL that sources of its kind are restored to.',
      ),
    merge: mergeSettings.optional(),
    mask: text
      .optional()
      .describe(
        'A mask file: how `--target test` masks what it restores. Relative to this file; see [mask.yaml](mask.md).',
      ),
  })
  .describe('How this source is restored.')
