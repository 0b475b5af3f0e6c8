import { describe, expect, it } from 'vitest'
import { postgresError, toolError } from './errors.ts'
import { resolveConnection } from './settings.ts'

const settings = resolveConnection({ url: 'postgres://app@db/shop' }, {})
const exit = { code: 1, killedBy: undefined }
const hintOf = (tool: string, said: string): string =>
  toolError(tool, said, exit, settings, tool === 'pg_restore' ? 'restore shop' : 'dump shop').hint ?? ''

describe('a hint begins with what ends the trouble', () => {
  it.each([
    ['pg_dump', 'ERROR:  permission denied for table film', /^As a superuser run: GRANT pg_read_all_data TO "app";/],
    ['pg_dump', 'ERROR:  permission denied for schema x', /GRANT pg_read_all_data/],
    ['pg_dump', 'ERROR:  permission denied for large object 7', /GRANT SELECT ON LARGE OBJECT 7 TO "app";/],
    ['pg_dump', 'ERROR:  permission denied for function f', /GRANT EXECUTE ON FUNCTION f TO "app";/],
    ['pg_restore', 'ERROR:  permission denied for table film', /^Connect as the owner/],
    ['pg_restore', 'ERROR:  must be owner of table film', /^Connect as the owner/],
    ['pg_restore', 'ERROR:  permission denied to create database', /ALTER ROLE "app" CREATEDB;/],
    ['pg_restore', 'ERROR:  permission denied to create role', /ALTER ROLE "app" CREATEROLE;/],
    [
      'psql',
      'ERROR:  permission denied to set parameter "session_replication_role"',
      /ALTER ROLE "app" RESET session_replication_role;/,
    ],
    ['pg_restore', 'ERROR:  permission denied to create extension "postgis"', /CREATE EXTENSION "postgis";/],
    ['pg_restore', 'ERROR:  must be member of role "o"', /GRANT "o" TO "app";/],
    ['pg_restore', 'ERROR:  must be able to SET ROLE "o"', /GRANT "o" TO "app";/],
    ['pg_restore', 'ERROR:  permission denied for database shop', /GRANT CREATE ON DATABASE "shop" TO "app";/],
    ['pg_restore', 'ERROR:  permission denied for tablespace fast', /GRANT CREATE ON TABLESPACE "fast" TO "app";/],
    ['pg_restore', 'ERROR:  must be superuser to create an event trigger', /^Only a superuser can do this/],
    [
      'pg_restore',
      'ERROR:  cannot execute CREATE TABLE in a read-only transaction',
      /default_transaction_read_only = off/,
    ],
    ['psql', 'ERROR:  cannot execute INSERT during recovery', /^Name the primary server/],
    [
      'pg_basebackup',
      'FATAL:  must be superuser or replication role to start walsender',
      /ALTER ROLE "app" WITH REPLICATION;/,
    ],
    ['pg_receivewal', 'ERROR:  must be superuser or replication role to use replication slots', /WITH REPLICATION;/],
    ['pg_receivewal', 'ERROR:  permission denied to use replication slots', /WITH REPLICATION;/],
    ['pg_receivewal', 'ERROR:  replication slot "lifeboat" is active for PID 4711', /pg_terminate_backend\(4711\)/],
    ['pg_dump', 'FATAL:  database locale is incompatible with operating system', /^Install that locale/],
  ])('%s: %s', (tool, said, hint) => expect(hintOf(tool, said)).toMatch(hint))

  it('does not advise reading rights for what is none', () => {
    for (const said of ['must be superuser to x', 'permission denied to create database', 'must be owner of table t']) {
      expect(hintOf('pg_restore', `ERROR:  ${said}`)).not.toContain('pg_read_all_data')
      expect(hintOf('pg_dump', `ERROR:  ${said}`)).not.toContain('pg_read_all_data')
    }
  })

  it('goes by the code where there is one', () => {
    const denied = Object.assign(new Error('permission denied for database shop'), { code: '42501' })
    expect(postgresError(denied, settings, 'connect').hint).toMatch(/GRANT CREATE ON DATABASE "shop"/)
  })

  it('tells what pg_restore was at, and the server’s own words', () => {
    const said = [
      'pg_restore: while PROCESSING TOC:',
      'pg_restore: from TOC entry 3360; 2606 16400 CHECK CONSTRAINT film film_check app',
      'pg_restore: error: could not execute query: ERROR:  function rate(integer) does not exist',
      'LINE 1: SELECT rate(1)',
      'HINT:  No function matches the given name and argument types.',
      'QUERY:  SELECT rate(1)',
      'CONTEXT:  SQL function "price" during startup',
      'Command was: ALTER TABLE public.film ADD CONSTRAINT film_check CHECK (public.price(id) > 0);',
    ].join('\n')
    const { message, context } = toolError('pg_restore', said, exit, settings, 'restore shop')
    expect(message).toContain('function rate(integer) does not exist')
    expect(message).toContain('while it did: ALTER TABLE public.film ADD CONSTRAINT film_check')
    expect(message).toContain('in: SQL function "price" during startup')
    for (const line of said.split('\n')) expect(String(context['said'])).toContain(line)
  })
})
