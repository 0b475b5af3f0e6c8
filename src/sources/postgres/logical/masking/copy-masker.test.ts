import { expect, it } from 'vitest'
import type { MaskableColumn, MaskableTable } from '../../../../model/masking/maskable.ts'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'
import type { MaskRule } from '../../../../model/masking/rules.ts'
import { CopyMasker, type MaskJob } from './copy-masker.ts'

const column = (name: string): MaskableColumn => ({
  name,
  type: 'text',
  typeName: 'text',
  maxChars: undefined,
  notNull: false,
  generated: false,
  caseInsensitive: false,
})

const planned = (name: string, rule: MaskRule): PlannedColumn => ({
  table: 'public.files',
  column: name,
  rule,
  derivation: undefined,
  at: 'mask.yaml:1:1',
  follows: undefined,
})

function jobOf(): MaskJob {
  const table: MaskableTable = {
    key: 'public.files',
    schema: 'public',
    name: 'files',
    columns: ['id', 'owner', 'body', 'note', 'face'].map(column),
    unique: [],
    foreignKeys: [],
    parents: [],
  }
  return {
    tables: new Map([[table.key, table]]),
    plan: [planned('owner', { kind: 'fixed', value: 'somebody' }), planned('face', { kind: 'null' })],
    seed: 'seed',
    encoding: 'utf8',
    sqlRules: undefined,
    counts: [0, 0],
    samples: new Map(),
    largeObjects: false,
  }
}

/** What comes out of text that is given in pieces of this size, and the most that was held back at a time. */
async function mask(job: MaskJob, text: Buffer, pieceBytes: number): Promise<{ out: Buffer; heldBytes: number }> {
  const masker = new CopyMasker(job)
  const out: Buffer[] = []
  let [given, passed, heldBytes] = [0, 0, 0]
  for (let at = 0; at < text.length; at += pieceBytes) {
    const piece = text.subarray(at, at + pieceBytes)
    const part = await masker.add(Buffer.from(piece))
    given += piece.length
    passed += part.length
    heldBytes = Math.max(heldBytes, given - passed)
    out.push(part)
  }
  return { out: Buffer.concat([...out, masker.end()]), heldBytes }
}

const LONG = 8 * 1024 * 1024

it('masks rows of any length alike, and holds no long field that passes', async () => {
  const rows = (body: string, face: string): Buffer =>
    Buffer.from(
      `COPY public.files (id, owner, body, note, face) FROM stdin;\n1\tada\t${body}\tsmall\t${face}\n2\t\\N\t${body}\tother\t\\N\n\\.\n\nSELECT 1;\n`,
    )
  const expected = (body: string): string =>
    `COPY public.files (id, owner, body, note, face) FROM stdin;\n1\tsomebody\t${body}\tsmall\t\\N\n2\t\\N\t${body}\tother\t\\N\n\\.\n\nSELECT 1;\n`
  for (const length of [10, 5000, LONG]) {
    const body = 'xy\\t'.repeat(length / 2).slice(0, length - 1)
    const job = jobOf()
    const { out, heldBytes } = await mask(job, rows(body, '\\\\x00'), 256 * 1024 - 1)
    expect(out.equals(Buffer.from(expected(body)))).toBe(true)
    expect(heldBytes).toBeLessThan(LONG / 4)
    expect(job.counts).toEqual([1, 1])
    expect(job.samples.get('public.files\0note')).toEqual(['small', 'other'])
    expect(job.samples.get('public.files\0body')).toHaveLength(length === 10 ? 2 : 0)
  }
})

it('drops a long field that becomes NULL or a fixed value as it comes', async () => {
  const face = 'f'.repeat(LONG)
  const text = `COPY public.files (id, owner, body, note, face) FROM stdin;\n1\t${face}\tb\tn\t${face}\n\\.\n`
  const { out } = await mask(jobOf(), Buffer.from(text), 100_000)
  expect(out.toString()).toBe(
    'COPY public.files (id, owner, body, note, face) FROM stdin;\n1\tsomebody\tb\tn\t\\N\n\\.\n',
  )
})
