import { describe, expect, it } from 'vitest'
import { lostClauses } from './table-shape.ts'

const table = (...lines: string[]): string => `CREATE TABLE public.item (\n    ${lines.join(',\n    ')}\n);\n`
const CAPTURED = table(
  'id integer NOT NULL',
  'price integer DEFAULT public.code() NOT NULL',
  `"the name" text DEFAULT 'a, b'::text`,
  'both integer GENERATED ALWAYS AS ((id + price)) STORED',
  'CONSTRAINT small CHECK ((price < 100))',
)

describe('what a table lacks of what it was', () => {
  it('is nothing where it has more, or other types', () => {
    const now = CAPTURED.replace('id integer', 'id bigint').replace(');\n', ',\n    more text DEFAULT 1 NOT NULL\n);\n')
    expect(lostClauses(CAPTURED, CAPTURED)).toEqual([])
    expect(lostClauses(CAPTURED, now)).toEqual([])
  })

  it('is told as the statement that adds it', () => {
    expect(lostClauses(CAPTURED, table('id integer', 'price integer', '"the name" text', 'both integer'))).toEqual([
      'ALTER COLUMN id SET NOT NULL',
      'ALTER COLUMN price SET DEFAULT public.code()',
      'ALTER COLUMN price SET NOT NULL',
      `ALTER COLUMN "the name" SET DEFAULT 'a, b'::text`,
      'ADD CONSTRAINT small CHECK ((price < 100))',
    ])
  })
})
