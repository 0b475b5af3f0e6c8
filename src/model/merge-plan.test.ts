import { describe, expect, it } from 'vitest'
import { isAppError } from '../base/errors.ts'
import { planMerge } from './merge-plan.ts'
import { type MergeRules, NO_RULES } from './merge-rules.ts'
import { groupByReference } from './reference-order.ts'
import type { ColumnDescription, ForeignKey, TableDescription } from './table-description.ts'

function column(name: string, more: Partial<ColumnDescription> = {}): ColumnDescription {
  return {
    name,
    type: 'integer',
    declaration: 'integer',
    nullable: false,
    hasDefault: false,
    generated: false,
    numberedUpTo: 1000n,
    comparable: true,
    ...more,
  }
}

function table(name: string, columns: string, more: Partial<TableDescription> = {}): TableDescription {
  const names = columns.split(' ')
  return {
    name,
    sql: `"${name}"`,
    scan: `"${name}"`,
    columns: names.map(each => column(each)),
    uniqueKeys: [{ columns: [names[0] ?? ''], primary: true }],
    foreignKeys: [],
    triggers: [],
    ...more,
  }
}

function reference(from: string, parent: string, to = 'id'): ForeignKey {
  return { name: `${from}_fkey`, columns: [from], parent, parentColumns: [to] }
}

const rules = (tables: MergeRules['tables'], references: MergeRules['references'] = {}): MergeRules => ({
  ...NO_RULES,
  tables,
  references,
})

function plan(tables: readonly TableDescription[], with_: MergeRules = NO_RULES, backup = tables) {
  return planMerge(with_, tables, backup)
}

function message(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isAppError(error)) return `${error.code}: ${error.message}`
    throw error
  }
  return 'it did not fail'
}

const USERS = table('users', 'id email', {
  uniqueKeys: [
    { columns: ['id'], primary: true },
    { columns: ['email'], primary: false },
  ],
})

describe('planMerge', () => {
  it('takes the rule’s key, else the primary key, else the only unique key, else refuses by name', () => {
    const key = (tables: readonly TableDescription[], with_?: MergeRules) => plan(tables, with_).groups[0]?.[0]
    expect(key([USERS])).toMatchObject({
      key: ['id'],
      keyFrom: 'primary key',
      numbered: undefined,
      others: [['email']],
    })
    expect(key([USERS], rules({ users: { key: ['email'] } }))).toMatchObject({
      key: ['email'],
      keyFrom: 'rule',
      numbered: { name: 'id' },
      others: [],
      kept: ['email', 'id'],
    })
    const only = table('t', 'a b', { uniqueKeys: [{ columns: ['b'], primary: false }] })
    expect(key([only])).toMatchObject({ key: ['b'], keyFrom: 'unique key' })
    const two = table('t', 'a b', { uniqueKeys: ['a', 'b'].map(name => ({ columns: [name], primary: false })) })
    const none = table('none', 'a', { uniqueKeys: [] })
    expect(message(() => plan([two, none]))).toBe(
      'config-invalid: cannot merge tables t, none: nothing says which rows are the same',
    )
  })

  it('puts parents first and circles together', () => {
    const tables = [
      table('c', 'id b', { foreignKeys: [reference('b', 'b')] }),
      table('b', 'id a self', { foreignKeys: [reference('a', 'a'), reference('self', 'b')] }),
      table('a', 'id c', { foreignKeys: [reference('c', 'c')] }),
      table('z', 'id a', { foreignKeys: [reference('a', 'a')] }),
      table('first', 'id'),
    ]
    expect(plan(tables).groups.map(group => group.map(each => each.name))).toEqual([['a', 'b', 'c'], ['first'], ['z']])
    expect(plan(tables).groups[0]?.[1]?.links.map(link => link.within)).toEqual([true, true])
  })

  it('puts first what rows of one partition alone refer to', () => {
    const visits = table('a_visits', 'id n', { partReferences: ['z_shops'] })
    expect(plan([visits, table('z_shops', 'id')]).groups.map(([only]) => only?.name)).toEqual(['z_shops', 'a_visits'])
  })

  it('follows references, by value only where that means the same row', () => {
    const posts = table('posts', 'id user_id', { foreignKeys: [reference('user_id', 'users')] })
    const link = (with_: MergeRules) =>
      plan([USERS, posts], with_)
        .groups.flat()
        .find(t => t.name === 'posts')?.links[0]
    expect(link(NO_RULES)).toMatchObject({ followed: true, byValue: true })
    expect(link(rules({ users: { key: ['email'] } }))).toMatchObject({ followed: true, byValue: false })
    expect(link(rules({ users: { skip: true } }))).toMatchObject({ followed: false, byValue: true })
  })

  it('takes references from rules, but none twice', () => {
    const posts = table('posts', 'id user_id', { foreignKeys: [reference('user_id', 'users')] })
    const loose = table('loose', 'id user_id')
    const references = { 'loose.user_id': 'users.id', 'posts.user_id': 'users.id' }
    const tables = plan([USERS, posts, loose], rules({}, references)).groups.flat()
    expect(tables.map(each => each.links.length)).toEqual([0, 1, 1])
  })

  it('leaves references alone that lead to nothing', () => {
    const posts = table('posts', 'id user_id', {
      foreignKeys: [reference('user_id', 'users', 'uid'), reference('id', 'no')],
    })
    expect(
      plan([USERS, posts])
        .groups.flat()
        .flatMap(each => each.links),
    ).toEqual([])
  })

  it('says which tables and columns are only on one side, and leaves migrations alone', () => {
    const here = [table('t', 'id a b'), table('new', 'id'), table('_prisma_migrations', 'id'), table('out', 'id')]
    const there = [
      { ...table('t', 'id b c'), columns: [column('id'), column('b', { type: 'text' }), column('c')] },
      table('gone', 'id'),
      table('_prisma_migrations', 'id'),
      table('out', 'id'),
    ]
    const { left, differences } = plan(here, rules({ out: { skip: true } }), there)
    expect(left).toEqual([
      { table: 'new', why: 'only-in-target' },
      { table: '_prisma_migrations', why: 'migrations' },
      { table: 'out', why: 'rule' },
      { table: 'gone', why: 'only-in-backup' },
    ])
    expect(differences.map(each => [each.column, each.kind, each.backup, each.target])).toEqual([
      ['a', 'only-in-target', undefined, 'integer'],
      ['b', 'type', 'text', 'integer'],
      ['c', 'only-in-backup', 'integer', undefined],
    ])
    const forced = plan(here, rules({ _prisma_migrations: { skip: false }, out: { skip: true } }), there)
    expect(forced.groups.flat().map(each => each.name)).toContain('_prisma_migrations')
  })

  it('never numbers anew what means more than the row', () => {
    const numbered = (tables: readonly TableDescription[], with_: MergeRules) =>
      plan(tables, with_)
        .groups.flat()
        .find(each => each.name === 't')?.numbered?.name
    const t = table('t', 'id n', {
      uniqueKeys: [
        { columns: ['id'], primary: true },
        { columns: ['n'], primary: false },
      ],
    })
    const byN = rules({ t: { key: ['n'] } })
    expect(numbered([t], byN)).toBe('id')
    expect(numbered([t], NO_RULES)).toBeUndefined()
    expect(numbered([USERS, { ...t, foreignKeys: [reference('id', 'users')] }], byN)).toBeUndefined()
    const text = { ...t, columns: [column('id', { numberedUpTo: undefined }), column('n')] }
    expect(numbered([text], byN)).toBeUndefined()
  })

  it('finds tables with and without their schema', () => {
    const tables = [table('shop.users', 'id a'), table('crm.users', 'id a'), table('crm.only', 'id a')]
    expect(
      plan(tables, rules({ only: { key: ['a'] } }))
        .groups.flat()
        .map(each => each.key),
    ).toContainEqual(['a'])
    expect(message(() => plan(tables, rules({ users: { skip: true } })))).toMatch(/there are several tables users/)
    expect(message(() => plan(tables, rules({ 'public.only': {} })))).toMatch(/there is no table public.only/)
  })

  it('refuses keys that cannot be used', () => {
    const json = { ...table('t', 'id j'), columns: [column('id'), column('j', { type: 'json', comparable: false })] }
    expect(message(() => plan([json], rules({ t: { key: ['j'] } })))).toMatch(/of type json, which cannot be compared/)
    const computed = { ...table('t', 'id g'), columns: [column('id'), column('g', { generated: true })] }
    expect(message(() => plan([computed], rules({ t: { key: ['g'] } })))).toMatch(/computed by the database/)
    const older = [table('users', 'id')]
    expect(message(() => plan([USERS], rules({ users: { key: ['email'] } }), older))).toMatch(
      /the backup's table users has no column email/,
    )
    const newer = rules({ users: { onConflict: 'newer', newerBy: 'email' } })
    expect(message(() => plan([USERS], newer, older))).toMatch(/which says what is newer/)
  })
})

describe('groupByReference', () => {
  it('gives one order, whatever order the tables come in', () => {
    const tables = [
      { name: 'd', parents: ['b', 'c'] },
      { name: 'b', parents: ['a'] },
      { name: 'c', parents: ['a', 'c'] },
      { name: 'a', parents: ['missing'] },
    ]
    expect(groupByReference(tables)).toEqual([['a'], ['b'], ['c'], ['d']])
    expect(groupByReference(tables.toReversed())).toEqual(groupByReference(tables))
  })
})
