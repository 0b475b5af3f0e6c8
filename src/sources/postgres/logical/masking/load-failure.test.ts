import { describe, expect, it } from 'vitest'
import type { PlannedColumn } from '../../../../model/masking/plan.ts'
import type { Mask } from '../../../../model/masking/rules.ts'
import { loadFailure } from './load-failure.ts'
import { constraintKey, type MaskCatalog } from './mask-catalog.ts'

const rule = { kind: 'null' } as PlannedColumn['rule']
const PLAN: PlannedColumn[] = [
  { table: 'shop.users', column: 'email', rule, derivation: undefined, at: 'mask.yaml:4:12', follows: undefined },
]
const CATALOG = {
  tables: [
    { key: 'other.users', name: 'users', columns: [] },
    { key: 'shop.users', name: 'users', columns: [{ name: 'email', typeName: 'character varying(10)' }] },
  ],
  constraints: new Map([[constraintKey('shop.users', 'users_email_key'), ['email']]]),
} as unknown as MaskCatalog
const failure = (stderr: string) => loadFailure(stderr, { file: 'mask.yaml' } as Mask, PLAN, CATALOG)

describe('an error of the server while masked rows come in', () => {
  it('blames the rule of the column that a constraint is about', () => {
    const error = failure(
      'psql:<stdin>:9: ERROR:  23505: could not create unique index "users_email_key"\n' +
        'DETAIL:  Key (email)=(jane@example.com) is duplicated.\n' +
        'SCHEMA NAME:  shop\nTABLE NAME:  users\nCONSTRAINT NAME:  users_email_key\n',
    )
    expect(error).toMatchObject({ code: 'config-invalid' })
    expect(JSON.stringify([error?.message, error?.hint, error?.context])).toMatch(
      /masking shop\.users\.email with .* breaks unique constraint users_email_key of table shop\.users/,
    )
    expect(JSON.stringify([error?.message, error?.hint, error?.context])).not.toContain('jane')
  })

  it('finds table and column in the context of COPY, among equal names that of the mask', () => {
    const error = failure(
      'ERROR:  22001: value too long for type character varying(10)\nCONTEXT:  COPY users, line 3, column email: "jane@example.com"\n',
    )
    expect(JSON.stringify([error?.message, error?.context])).toContain(
      'the type character varying(10) of table shop.users',
    )
  })

  it.each([
    ['23502', 'the NOT NULL constraint'],
    ['23514', 'check constraint c'],
    ['23503', 'foreign key c'],
    ['23P01', 'exclusion constraint c'],
  ])('says what is broken: %s is %s', (state, words) => {
    const error = failure(
      `ERROR:  ${state}: no\nSCHEMA NAME:  shop\nTABLE NAME:  users\nCOLUMN NAME:  email\nCONSTRAINT NAME:  c\n`,
    )
    expect(JSON.stringify([error?.message, error?.context])).toContain(`breaks ${words} of table shop.users`)
  })

  it('does not blame the mask where no rule touches the table', () => {
    const error = failure('ERROR:  23505: no\nSCHEMA NAME:  shop\nTABLE NAME:  orders\nCONSTRAINT NAME:  orders_key\n')
    expect(error).toMatchObject({ code: 'target-invalid' })
    expect(error?.message).toContain('the data of table shop.orders breaks unique constraint orders_key')
  })

  it.each([
    '',
    'ERROR:  53100: could not extend file: No space left on device\n',
    'ERROR:  23505: no table is named\n',
  ])('is none of the data: %j', stderr => {
    expect(failure(stderr)).toBeUndefined()
  })
})
