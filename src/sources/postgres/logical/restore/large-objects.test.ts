import { describe, expect, it } from 'vitest'
import type { TocEntry } from '../archive/toc.ts'
import { largeObjectEntries, largeObjectFindings, takeLargeObject } from './large-objects.ts'

const entry = (id: number, kind: string, tag: string): TocEntry => ({
  id,
  kind,
  schema: undefined,
  tag,
  dependsOn: [],
  owner: 'me',
  tablespace: undefined,
})

describe('large objects that come back with rows', () => {
  it('are told in the words of all versions, their content first', () => {
    const toc = [
      entry(1, 'BLOB', '16400'),
      entry(2, 'BLOB METADATA', '16400..16402'),
      entry(3, 'TABLE', 'file'),
      entry(4, 'BLOBS', 'BLOBS'),
      entry(5, 'ACL', 'LARGE OBJECTS 16400..16402'),
      entry(6, 'ACL', 'LARGE OBJECT 16400'),
      entry(7, 'ACL', 'TABLE file'),
    ]
    expect(largeObjectEntries(toc).map(({ id }) => id)).toEqual([4, 1, 2, 5, 6])
  })

  it.each([
    ["SELECT pg_catalog.lo_open('16400', 131072);", 'SELECT pg_temp.lifeboat_open(16400);\n'],
    [String.raw`SELECT pg_catalog.lowrite(0, '\x00ff');`, "SELECT pg_temp.lifeboat_part('\\x00ff');\n"],
    ['SELECT pg_catalog.lo_close(0);', 'SELECT pg_temp.lifeboat_close();\n'],
    ['SET standard_conforming_strings = off;', 'SET standard_conforming_strings = off;\n'],
    [
      'ALTER LARGE OBJECT 7 OWNER TO "it\'s";',
      `SELECT pg_temp.lifeboat_grant(7, 'ALTER LARGE OBJECT 7 OWNER TO "it''s";');\n`,
    ],
    [
      'GRANT SELECT ON LARGE OBJECT 7 TO staff;',
      "SELECT pg_temp.lifeboat_grant(7, 'GRANT SELECT ON LARGE OBJECT 7 TO staff;');\n",
    ],
  ])('are taken by functions of ours: %s', (line, taken) => {
    expect(takeLargeObject(Buffer.from(line))?.toString()).toBe(taken)
  })

  it.each(['BEGIN;', 'COMMIT;', '', '-- Name: 1', "SELECT pg_catalog.lo_create('7');", 'SET row_security = off;'])(
    'end no transaction, and are not made twice: %s',
    line => {
      expect(takeLargeObject(Buffer.from(line))).toBeUndefined()
    },
  )

  it('are not taken by halves where pg_restore writes something new', () => {
    expect(() => takeLargeObject(Buffer.from('ROLLBACK;'))).toThrow(/nobody expects/)
  })

  it('are named where they stay as they are', () => {
    expect(largeObjectFindings('shop', { made: 0, differing: 0, numbers: [] })).toEqual([])
    const [made, differing] = largeObjectFindings('shop', { made: 2, differing: 3, numbers: ['7', '8'] })
    expect(made).toMatchObject({ severity: 'info' })
    expect(differing?.subject).toBe('large objects 7, 8, and 1 more of database shop')
    expect(differing?.hint).toContain('SELECT lo_unlink(7); SELECT lo_unlink(8);')
  })
})
