import { expect, it } from 'vitest'
import { RestoreLog } from './restore-log.ts'

function read(text: string, parallel = false): RestoreLog {
  const log = new RestoreLog(parallel)
  for (const line of text.split('\n')) log.add(line)
  return log
}

const TWO = `pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3212; 1259 16403 INDEX post_slug postgres
pg_restore: error: could not execute query: ERROR:  function fold(text) does not exist
LINE 1:  select replace(fold(t),' ','-')
                        ^
QUERY:   select replace(fold(t),' ','-')
CONTEXT:  SQL function "slug" during inlining
Command was: CREATE INDEX post_slug ON public.post USING btree (public.slug(title));


pg_restore: error: could not execute query: ERREUR:  une autre
pg_restore: from TOC entry 3353; 0 16390 TABLE DATA note postgres
pg_restore: error: COPY failed for table "note": ERROR:  new row for relation "note" violates check constraint "c"
DETAIL:  Failing row contains (1).
`

it('tells which entries failed, with what the server said first of each', () => {
  const { failures } = read(`${TWO}pg_restore: warning: errors ignored on restore: 3`)
  expect(failures).toMatchObject([
    { id: 3212, message: 'function fold(text) does not exist' },
    { id: 3353, message: 'new row for relation "note" violates check constraint "c"' },
  ])
  expect(failures?.[0]?.said).toContain('CONTEXT:  SQL function "slug" during inlining')
  expect(failures?.[1]?.said).toContain('DETAIL')
})

it('trusts no more than the entries where several processes counted', () => {
  const text = `${TWO}pg_restore: warning: errors ignored on restore: 5`
  expect(read(text, true).failures).toHaveLength(2)
  expect(read(text.replace('restore: 5', 'restore: 1'), true).failures).toBeUndefined()
})

it('finds every entry where the lines of several processes mix in the middle', () => {
  const text = [
    'pg_restore: pg_restore: from TOC entry 11; 0 5 MATERIALIZED VIEW DATA a o',
    ' from TOC entry 12; 0 6 TABLE DATA b o',
    'pg_restore: error: pg_restore: from TOC entry 13; 0 7 TABLE DATA c o',
    'could not execute query: ERROR:  x',
    'pg_restore: error: could not execute query: ERROR:  y',
    'pg_restore: warning: errors ignored on restore: 3',
  ].join('\n')
  expect(read(text, true).failures?.map(({ id }) => id)).toEqual([11, 12, 13])
  expect(read(text, true).failures?.some(({ ownerOnly }) => ownerOnly)).toBe(false)
  // One process writes whole lines: what stands in the middle of one is a statement's.
  expect(read(text).failures).toBeUndefined()
})

it.each([
  ['it ended before it counted them', TWO],
  ['it counted more than were read', `${TWO}pg_restore: warning: errors ignored on restore: 4`],
  ['an error belongs to no entry', 'pg_restore: error: x\npg_restore: warning: errors ignored on restore: 1'],
  [
    'the connection is gone',
    `${TWO}pg_restore: error: could not execute query: no connection to the server\npg_restore: warning: errors ignored on restore: 4`,
  ],
])('says nothing where %s', (_why, text) => {
  expect(read(text).failures).toBeUndefined()
})

it('tells what could only not be given to its owner from what could not be made', () => {
  const entry = (id: number, sql: readonly string[]): string =>
    [
      `pg_restore: from TOC entry ${id}; 1259 1 TABLE t gone`,
      ...sql.map(
        each =>
          `pg_restore: error: could not execute query: ERROR:  role "gone" does not exist\nCommand was: ${each}\n`,
      ),
    ].join('\n')
  const owner = 'ALTER TABLE public.t OWNER TO gone;'
  const text = `${entry(1, [owner])}${entry(2, ['CREATE TABLE public.t ();', owner])}`
  const { failures } = read(`${text}pg_restore: warning: errors ignored on restore: 3`)
  expect(failures).toMatchObject([
    { id: 1, ownerOnly: true },
    { id: 2, ownerOnly: false },
  ])
})
