import { z } from 'zod'
import { CONFLICT_RULES, type MergeRules, NO_RULES } from '../model/merge-rules.ts'

const text = z.string().min(1, 'a text that is not empty')

const tableRules = z
  .strictObject({
    key: z
      .union([text, z.array(text).min(1, 'at least one column')])
      .optional()
      .describe('The column, or columns, that say that two rows are the same: `email`. Default: the primary key.'),
    onConflict: z
      .enum(CONFLICT_RULES)
      .optional()
      .describe(
        'Whose values a row has that is on both sides: `keep` what is there (default), the `backup`’s, or of the `newer` one.',
      ),
    newerBy: text.optional().describe('With `newer`: the column that is greater in the newer row, `updated_at`.'),
    skip: z
      .boolean()
      .optional()
      .describe(
        'Leave the table as it is. `false` merges one that is left out by itself because a migration tool keeps it.',
      ),
  })
  .refine(value => value.onConflict !== 'newer' || value.newerBy !== undefined, {
    message: 'newerBy, the column that says which row is newer',
    path: ['newerBy'],
  })

const written = z
  .strictObject({
    tables: z
      .record(text, tableRules)
      .optional()
      .describe('Rules by table; `schema.table` where a name is not unique.'),
    references: z
      .record(text, text)
      .optional()
      .describe('Relations that the schema does not declare: `account.user_id: user.id`.'),
    triggers: z.boolean().optional().describe('Let triggers fire for merged rows; default `false`.'),
  })
  .describe('How `lifeboat restore --strategy merge` adds what only the backup has to what is there.')

/** `sources.NAME.restore.merge`, as the operation takes it. */
export const mergeSettings = written.transform(rulesOf)

function rulesOf({
  tables = {},
  references = NO_RULES.references,
  triggers = NO_RULES.triggers,
}: z.output<typeof written>): MergeRules {
  const rules = Object.entries(tables).map(([name, { key, ...rule }]) => {
    const columns = typeof key === 'string' ? [key] : key
    return [name, { ...rule, key: columns }] as const
  })
  return { tables: Object.fromEntries(rules), references, triggers }
}
