import { describe, expect, it } from 'vitest'
import { postgresOptions } from '../options.ts'
import type { DatabaseTable } from './capture/database-snapshot.ts'
import { fileName, planDatabase } from './plan.ts'

const MIB = 1024 * 1024
const table = (name: string, mib: number, partitioned = false): DatabaseTable => ({
  schema: 'public',
  name,
  oid: '1',
  sizeBytes: mib * MIB,
  partitioned,
})
const options = (given: Record<string, unknown> = {}) => postgresOptions.parse({ url: 'postgres://h/shop', ...given })

describe('the archives of a database', () => {
  const tables = [table('small', 31), table('big', 40), table('bigger', 50), table('parent', 90, true)]

  it('is one where one connection reads', () => {
    expect(planDatabase('shop', tables, 'full', options({ jobs: 1 }))).toEqual({
      main: { path: 'shop.dump', args: [] },
      schemaPath: 'shop.schema.sql',
      partsFolder: 'shop.data',
      parts: [],
    })
  })

  it('has one for each big table where several read, the biggest first, and the main one leaves their rows out', () => {
    const plan = planDatabase('shop', tables, 'full', options({ jobs: 2 }))
    expect(plan.parts.map(part => part.path)).toEqual(['shop.data/public.bigger.dump', 'shop.data/public.big.dump'])
    expect(plan.parts[0]?.args).toEqual(['--data-only', '--strict-names', '--table', '"public"."bigger"'])
    expect(plan.main.args).toEqual([
      '--exclude-table-data',
      '"public"."bigger"',
      '--exclude-table-data',
      '"public"."big"',
    ])
  })

  it('is one for a schema, and where rows are left out: a part would bring them', () => {
    expect(planDatabase('shop', tables, 'schema', options({ jobs: 4 }))).toMatchObject({
      main: { args: ['--schema-only'] },
      parts: [],
    })
    expect(planDatabase('shop', tables, 'data', options({ jobs: 4, excludeTableData: ['public.log'] })).parts).toEqual(
      [],
    )
  })

  it('are at most 64 beside the main one', () => {
    const many = Array.from({ length: 100 }, (_, n) => table(`t${n}`, 33 + n))
    const { parts } = planDatabase('shop', many, 'full', options({ jobs: 2 }))
    expect(parts).toHaveLength(64)
    expect(parts[0]?.path).toBe('shop.data/public.t99.dump')
  })

  it('have different files for tables whose names differ by a dot', () => {
    const pair = [
      { ...table('c', 40), schema: 'a.b' },
      { ...table('b.c', 40), schema: 'a' },
    ]
    const { parts } = planDatabase('shop', pair, 'full', options({ jobs: 2 }))
    expect(parts.map(part => part.path).toSorted()).toEqual(['shop.data/a%2Eb.c.dump', 'shop.data/a.b%2Ec.dump'])
  })
})

describe('a name as the name of a file', () => {
  it.each([
    ['shop', 'shop'],
    ['Größe_名-1', 'Größe_名-1'],
    ['a/b', 'a%2Fb'],
    ['a.b', 'a.b'],
    ['..', '%2E.'],
    ['50%', '50%25'],
    ["it's", 'it%27s'],
  ])('%s is %s', (name, file) => {
    expect(fileName(name)).toBe(file)
  })

  it('is cut where it is long, and stays different', () => {
    const [one, other] = ['a', 'b'].map(end => fileName('/'.repeat(62) + end))
    expect(one).toHaveLength(100)
    expect(one).not.toBe(other)
  })
})
