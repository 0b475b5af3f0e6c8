import { describe, expect, it } from 'vitest'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import { chooseTargets } from './choose-targets.ts'

const database = (name: string): ManifestServerDatabase => ({ name }) as ManifestServerDatabase
const ALL = [database('shop'), database('blog')]

describe('the names that databases come back under', () => {
  const chosen = (target: string, databases?: string[], all = ALL): string[] =>
    chooseTargets({ target, ...(databases && { selection: { databases } }) }, all).map(
      each => `${each.database.name} as ${each.target}`,
    )

  it('are their own on a server', () => {
    expect(chosen('postgres://h/')).toEqual(['shop as shop', 'blog as blog'])
    expect(chosen('postgres://h/', ['blog'])).toEqual(['blog as blog'])
  })

  it('is the one in the url for a single one, the only one there is or the only one chosen', () => {
    expect(chosen('postgres://h/copy', undefined, [database('shop')])).toEqual(['shop as copy'])
    expect(chosen('postgres://h/copy', ['blog'])).toEqual(['blog as copy'])
  })

  it('is never one for several', () => {
    expect(() => chosen('postgres://h/live')).toThrow('2 databases (shop, blog) cannot be restored to one, live')
    expect(() => chosen('postgres://h/live', ['shop', 'blog'])).toThrow('cannot be restored to one')
  })

  it('names a database that the snapshot does not hold', () => {
    expect(() => chosen('postgres://h/', ['shop', 'wiki'])).toThrow('the snapshot holds no database wiki')
  })
})
