import { expect, it } from 'vitest'
import { resolveConnection } from '../../../../clients/postgres/index.ts'
import { scriptError } from './script-error.ts'

const settings = resolveConnection({ url: 'postgres://app@db/shop' }, {})

it('tells where in the database it happened, and what ends the trouble', () => {
  const said = `psql:<stdin>:12: ERROR:  function slug(text) does not exist
LINE 1: SELECT slug(name)
QUERY:  SELECT slug(name)
CONTEXT:  SQL function "label" during inlining`
  const error = scriptError(said, 'shop', settings)
  expect(error.message).toBe(
    'cannot restore tables into shop: function slug(text) does not exist; in: SQL function "label" during inlining; in the query: SELECT slug(name)',
  )
  expect(error.hint).toMatch(/^Run in shop, .*: ALTER FUNCTION label SET search_path = public; then try again/)
  const inner = `psql:<stdin>:44: ERROR:  relation "cfg" does not exist
CONTEXT:  PL/pgSQL function s.lim(integer, text) line 1 at RETURN
PL/pgSQL function inline_code_block line 3 at EXECUTE`
  expect(scriptError(inner, 'shop', settings).hint).toContain('ALTER FUNCTION s.lim(integer, text) SET')
  const none = scriptError('psql:<stdin>:12: ERROR:  schema "s" does not exist', 'shop', settings)
  expect(none.hint).toMatch(/^Restore the whole snapshot to a new database/)
})

it('names the right that is missing', () => {
  const error = scriptError('psql:<stdin>:3: ERROR:  permission denied for tablespace fast', 'shop', settings)
  expect(error.hint).toBe('As a superuser run: GRANT CREATE ON TABLESPACE "fast" TO "app";')
})

it('tells no value of a row, and nothing of its own script', () => {
  const copied = `psql:<stdin>:9: ERROR:  invalid input syntax for type integer
CONTEXT:  COPY film, line 3, column id: "a secret"`
  expect(scriptError(copied, 'shop', settings).message).not.toContain('secret')
  const own = `psql:<stdin>:5: ERROR:  lifeboat: in use for more than 2 s by a report
CONTEXT:  PL/pgSQL function inline_code_block line 22 at RAISE`
  const error = scriptError(own, 'shop', settings)
  expect([error.code, error.message]).toEqual([
    'target-in-use',
    'cannot restore tables into shop: in use for more than 2 s by a report',
  ])
})

it('tells no row that a CHECK refuses, and says which setting a transaction of many tables needs', () => {
  const refused = `psql:<stdin>:9: ERROR:  new row for relation "item" violates check constraint "cheap"
DETAIL:  Failing row contains (1, a secret).`
  expect(scriptError(refused, 'shop', settings).message).not.toContain('secret')
  const full = scriptError('psql:<stdin>:9: ERROR:  out of shared memory', 'shop', settings)
  expect(full.hint).toMatch(/^Raise max_locks_per_transaction/)
})
