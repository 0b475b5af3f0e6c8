import { expect, it } from 'vitest'
import { mergeSettings } from './merge-settings.ts'

it('gives the operation its rules', () => {
  const rules = mergeSettings.parse({
    tables: { user: { key: 'email' }, film_actor: { key: ['film_id', 'actor_id'], onConflict: 'backup' } },
    references: { 'account.user_id': 'user.user_id' },
  })
  expect(rules).toEqual({
    tables: { user: { key: ['email'] }, film_actor: { key: ['film_id', 'actor_id'], onConflict: 'backup' } },
    references: { 'account.user_id': 'user.user_id' },
    triggers: false,
  })
  expect(mergeSettings.parse({})).toEqual({ tables: {}, references: {}, triggers: false })
})

it('refuses what can’t be meant', () => {
  const messages = (value: unknown) => mergeSettings.safeParse(value).error?.issues.map(issue => issue.message)
  expect(messages({ tables: { t: { onConflict: 'newer' } } })).toEqual([
    'newerBy, the column that says which row is newer',
  ])
  expect(messages({ tables: { t: { key: [] } } })).not.toBeUndefined()
  expect(messages({ tables: { t: { onConflict: 'ours' } } })).not.toBeUndefined()
})
