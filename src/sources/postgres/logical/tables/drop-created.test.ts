import { describe, expect, it } from 'vitest'
import { dropScript, tablesAmong } from './drop-created.ts'

const made = (kind: string, name: string, schema?: string) => ({ kind, name, schema })

describe('dropping what a restore made', () => {
  it('goes from what hangs on tables to tables, then to what they were made of', () => {
    const statements = dropScript([
      made('SCHEMA', 'app'),
      made('SEQUENCE', 'ids', 'app'),
      made('TYPE', 'colour', 'app'),
      made('TABLE', 'car', 'app'),
      made('VIEW', 'cars', 'app'),
    ])
    expect(statements).toEqual([
      'DROP VIEW IF EXISTS "app"."cars";',
      'DROP TABLE IF EXISTS "app"."car";',
      'DROP TYPE IF EXISTS "app"."colour";',
      'DROP SEQUENCE IF EXISTS "app"."ids";',
      'DROP SCHEMA IF EXISTS "app";',
    ])
  })

  it('drops tables that follow each other in one statement, the newest first, and never what depends on them', () => {
    const statements = dropScript([
      made('TABLE', 'a', 'public'),
      made('DOMAIN', 'd', 'public'),
      made('TABLE', 'b', 'public'),
      made('TABLE', 'c', 'public'),
    ])
    expect(statements).toEqual([
      'DROP TABLE IF EXISTS "public"."c", "public"."b";',
      'DROP DOMAIN IF EXISTS "public"."d";',
      'DROP TABLE IF EXISTS "public"."a";',
    ])
    expect(statements.join(' ')).not.toContain('CASCADE')
  })

  it('drops foreign keys before the keys that they need', () => {
    const statements = dropScript([
      made('CONSTRAINT', 'a a_pkey', 'public'),
      made('FK CONSTRAINT', 'b b_fkey', 'public'),
      made('TABLE', 'b', 'public'),
    ])
    expect(statements.map(each => /b_fkey|a_pkey|DROP TABLE/.exec(each)?.[0])).toEqual([
      'b_fkey',
      'DROP TABLE',
      'a_pkey',
    ])
  })

  it('quotes names as names and as texts', () => {
    expect(dropScript([made('VIEW', 'a"b', 'S')])).toEqual(['DROP VIEW IF EXISTS "S"."a""b";'])
    const [trigger] = dropScript([made('TRIGGER', "t it's", 'o\\x')])
    expect(trigger).toContain(`n.nspname =  E'o\\\\x' AND c.relname || ' ' || t.tgname = 't it''s'`)
  })

  it('knows the tables among it', () => {
    expect(tablesAmong([made('TABLE', 't', 's'), made('VIEW', 'v', 's'), made('SCHEMA', 's')])).toEqual([
      { schema: 's', name: 't' },
    ])
  })
})
