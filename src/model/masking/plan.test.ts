import { describe, expect, it } from 'vitest'
import { AppError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import type { MaskableColumn, MaskableTable } from './maskable.ts'
import { type PlannedColumn, planMask } from './plan.ts'
import type { Mask, MaskRule } from './rules.ts'

const column = (name: string, more: Partial<MaskableColumn> = {}): MaskableColumn => ({
  name,
  type: 'text',
  typeName: 'text',
  maxChars: undefined,
  notNull: false,
  generated: false,
  caseInsensitive: false,
  ...more,
})

const table = (key: string, columns: MaskableColumn[], more: Partial<MaskableTable> = {}): MaskableTable => {
  const [schema, name] = key.includes('.') ? key.split('.') : [undefined, key]
  return { key, schema, name: name ?? key, columns, unique: [], foreignKeys: [], parents: [], ...more }
}

const TABLES: MaskableTable[] = [
  table(
    'public.users',
    [
      column('id', { type: 'integer', typeName: 'integer', notNull: true }),
      column('email', { notNull: true, maxChars: 80 }),
      column('code', { maxChars: 5 }),
      column('tags', { type: 'other', typeName: 'jsonb' }),
      column('full', { generated: true }),
    ],
    {
      unique: [
        { name: 'users_pkey', columns: ['id'] },
        { name: 'users_email_key', columns: ['email'] },
      ],
    },
  ),
  table('public.orders', [column('id'), column('user_id', { type: 'integer', typeName: 'bigint' }), column('email')], {
    foreignKeys: [
      { name: 'orders_user', columns: ['user_id'], table: 'public.users', refColumns: ['id'] },
      { name: 'orders_email', columns: ['email'], table: 'public.users', refColumns: ['email'] },
    ],
  }),
  table('public.events', [column('who')]),
  table('public.events_2026', [column('who', { maxChars: 12 })], { parents: ['public.events'] }),
  table('a.log', [column('x')]),
  table('b.log', [column('x')]),
]

function plan(tables: Record<string, Record<string, MaskRule>>, foldCase = false): PlannedColumn[] {
  let line = 0
  const mask: Mask = {
    file: '/etc/mask.yaml',
    seed: new Secret('seed'),
    tables: Object.entries(tables).map(([name, columns]) => ({
      table: name,
      at: `mask.yaml:${++line}:1`,
      columns: Object.entries(columns).map(([each, rule]) => ({ column: each, rule, at: `mask.yaml:${++line}:3` })),
    })),
  }
  return planMask(mask, TABLES, { foldCase })
}

function problems(tables: Record<string, Record<string, MaskRule>>): string {
  try {
    plan(tables)
  } catch (error) {
    if (error instanceof AppError && error.code === 'config-invalid') return error.message
    throw error
  }
  throw new Error('no problem')
}

const hash = { kind: 'hash' } as const

describe('the plan of a mask', () => {
  it('names every unknown or ambiguous table and column with its place, and what was meant', () => {
    const said = problems({ user: { id: hash }, users: { emial: hash }, log: { x: hash }, nothing: {} })
    expect(said.split('\n')).toEqual([
      'mask.yaml:1:1: there is no table "user"; did you mean "users"?',
      'mask.yaml:4:3: table public.users has no column "emial"; did you mean "email"?',
      'mask.yaml:5:1: there are several tables log: say which of a.log, b.log',
      'mask.yaml:7:1: there is no table "nothing"',
    ])
  })

  it('finds names in any case where the engine does', () => {
    expect(plan({ EVENTS: { WHO: hash } }, true)[0]).toMatchObject({ table: 'public.events', column: 'who' })
    expect(problems({ EVENTS: { who: hash } })).toContain('did you mean "events"?')
  })

  it('lets what refers to a masked column follow it', () => {
    const planned = plan({ users: { id: hash, email: { kind: 'email' } } })
    expect(planned.map(each => [each.table, each.column, each.rule.kind, each.follows])).toEqual([
      ['public.users', 'id', 'hash', undefined],
      ['public.users', 'email', 'email', undefined],
      ['public.orders', 'user_id', 'hash', 'public.users.id'],
      ['public.orders', 'email', 'email', 'public.users.email'],
    ])
    expect(planned[3]?.derivation).toEqual(planned[1]?.derivation)
  })

  it('refuses rules that would tear a foreign key apart', () => {
    const other = problems({ users: { id: hash }, orders: { user_id: { kind: 'format' } } })
    expect(other).toContain(
      'public.orders.user_id refers to public.users.id (foreign key orders_user), which is masked',
    )
    expect(problems({ orders: { email: { kind: 'email' } } })).toContain('which is not masked')
    expect(problems({ users: { id: hash }, orders: { user_id: { kind: 'keep' } } })).toContain(
      'give both the same rule',
    )
    expect(problems({ users: { email: { kind: 'sql', expression: 'x' } } })).toContain('use hash or format')
    expect(plan({ orders: { email: { kind: 'null' } } })).toHaveLength(1)
  })

  it('refuses what the schema cannot take', () => {
    const said = problems({
      users: {
        email: { kind: 'null' },
        id: { kind: 'email' },
        tags: { kind: 'text' },
        full: { kind: 'text' },
        code: { kind: 'fixed', value: 'longer' },
      },
    })
    expect(said).toContain('public.users.email cannot become null: it is NOT NULL')
    expect(said).toContain(
      'public.users.id is of type integer, which email cannot write (possible: hash, format, phone',
    )
    expect(said).toContain('public.users.tags is of type jsonb, which text cannot write (possible: fixed, null, sql)')
    expect(said).toContain('public.users.full is computed from other columns')
    expect(said).toContain('public.users.code takes 5 characters at most')
    const same = problems({ users: { email: { kind: 'fixed', value: 'a@b.c' } } })
    expect(same).toContain('constraint users_email_key wants it unique')
  })

  it('gives the columns of a domain one length, and partitions the rules of their table', () => {
    const planned = plan({ events: { who: { kind: 'name' } }, users: { code: { kind: 'name' } } })
    expect(planned.map(each => [each.table, each.derivation?.extent])).toEqual([
      ['public.events', { unique: false, maxChars: 5, caseInsensitive: false }],
      ['public.users', { unique: false, maxChars: 5, caseInsensitive: false }],
      ['public.events_2026', { unique: false, maxChars: 5, caseInsensitive: false }],
    ])
  })
})
