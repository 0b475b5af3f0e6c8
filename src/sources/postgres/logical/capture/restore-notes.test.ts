import { describe, expect, it } from 'vitest'
import { postgresOptions } from '../../options.ts'
import { planDatabase } from '../plan.ts'
import { restoreNotes } from './restore-notes.ts'

const big = { schema: 'public', name: 'film', oid: '1', sizeBytes: 64 * 1024 * 1024, partitioned: false }

describe('the notes for a person without Lifeboat', () => {
  const notes = (database: string, type: 'full' | 'data', given: Record<string, unknown> = {}): string[] => {
    const options = postgresOptions.parse({ url: 'postgres://h/', jobs: 1, ...given })
    const plan = planDatabase(database, [big], type, options)
    const text = restoreNotes([{ settings: { database }, plan }], { options, tools: { major: 15 }, request: { type } })
    return text.split('\n').filter(line => line.startsWith('  '))
  }

  it('bring roles back first, then a database', () => {
    expect(notes('shop', 'full')).toEqual([
      '  # roles and their grants; errors about roles that exist are fine',
      '  psql -X -f globals.sql postgres',
      '  createdb -T template0 shop',
      '  pg_restore --exit-on-error -d shop shop.dump',
    ])
  })

  it('load the archives of big tables between tables and keys', () => {
    expect(notes('shop', 'full', { jobs: 2, globals: false })).toEqual([
      '  createdb -T template0 shop',
      '  pg_restore --exit-on-error --section=pre-data --section=data -d shop shop.dump',
      '  pg_restore --exit-on-error --data-only -d shop shop.data/public.film.dump',
      '  pg_restore --exit-on-error --section=post-data -d shop shop.dump',
    ])
  })

  it('say that rows alone need their tables', () => {
    expect(notes('shop', 'data', { globals: false })).toEqual([
      '  # rows only: the tables must be there, and empty',
      '  pg_restore --exit-on-error --data-only --disable-triggers -d shop shop.dump',
    ])
  })

  it('are commands of a shell whatever a database is called', () => {
    expect(notes("it's $(x)", 'full', { globals: false })).toEqual([
      String.raw`  createdb -T template0 -- 'it'\''s $(x)'`,
      String.raw`  pg_restore --exit-on-error -d 'dbname='\''it\'\''s $(x)'\''' it%27s%20%24%28x%29.dump`,
    ])
    expect(notes('-h', 'full', { globals: false })[0]).toBe("  createdb -T template0 -- '-h'")
  })
})
