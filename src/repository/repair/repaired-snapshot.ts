import type { Id } from '../../model/node.ts'
import { goJson, parseJson } from '../format/json.ts'

/** restic's too. */
export const REPAIRED_TAG = 'repaired'

/**
 * The file of what is left of a snapshot: with its new tree, the id that it had first, and restic's tag. All else stays, also
 * what this version does not know, but for the figures of the backup, which counted what is gone.
 *
 * @see https://github.com/restic/restic/blob/master/cmd/restic/cmd_rewrite.go
 */
export function formatRepaired(json: Uint8Array, snapshot: Id, tree: Id, subject: string): Buffer {
  const { summary: _, ...fields } = parseJson(json, subject) as Readonly<Record<string, unknown>>
  const tags = Array.isArray(fields['tags']) ? fields['tags'].filter(tag => tag !== REPAIRED_TAG) : []
  return Buffer.from(
    goJson({ ...fields, tree, tags: [...tags, REPAIRED_TAG], original: fields['original'] ?? snapshot }),
  )
}
