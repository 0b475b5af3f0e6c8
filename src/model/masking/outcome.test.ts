import { expect, it } from 'vitest'
import { type MaskedColumn, maskReportTables } from './outcome.ts'

it('tells what was masked, and how, column by column', () => {
  const of = (table: string, column: string, more: Partial<MaskedColumn> = {}): MaskedColumn => ({
    table,
    column,
    rule: { kind: 'hash' },
    follows: undefined,
    values: 3,
    ...more,
  })
  const [report] = maskReportTables([
    of('users', 'id', { rule: { kind: 'hash', domain: 'people' } }),
    of('users', 'note', { rule: { kind: 'keep' } }),
    of('orders', 'user_id', { follows: 'users.id', values: 12 }),
    of('users', 'city', { rule: { kind: 'sql', expression: 'upper(city)' } }),
  ])
  expect(report?.columns.map(column => column.name)).toEqual(['table', 'column', 'rule', 'values'])
  expect(report?.rows).toEqual([
    ['orders', 'user_id', 'hash, as users.id', '12'],
    ['users', 'id', 'hash (domain people)', '3'],
    ['users', 'city', 'sql upper(city)', '3'],
  ])
  expect(maskReportTables([of('users', 'id', { rule: { kind: 'keep' } })])).toEqual([])
})
