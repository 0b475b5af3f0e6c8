import { describe, expect, it } from 'vitest'
import { databaseArgument, holdsBytes, quoteIdentifier, quoteLiteral, quoteName } from './sql.ts'

describe('quoting for PostgreSQL', () => {
  it('keeps any name a name', () => {
    expect(quoteIdentifier('film')).toBe('"film"')
    expect(quoteIdentifier('a"; DROP TABLE b; --')).toBe('"a""; DROP TABLE b; --"')
    expect(quoteName('My "s"', 't.u')).toBe('"My ""s"""."t.u"')
  })

  it('keeps any text a text, whatever standard_conforming_strings is', () => {
    expect(quoteLiteral("it's")).toBe("'it''s'")
    expect(quoteLiteral("\\'; DROP TABLE b; --")).toBe(` E'\\\\''; DROP TABLE b; --'`)
  })

  it('keeps a database that is named like a connection string a database', () => {
    expect(databaseArgument('shop')).toBe("dbname='shop'")
    expect(databaseArgument('host=evil dbname=x')).toBe("dbname='host=evil dbname=x'")
    expect(databaseArgument("x' host='evil\\")).toBe("dbname='x\\' host=\\'evil\\\\'")
  })

  it('tells bytes that are no UTF-8', () => {
    expect([holdsBytes('naïve 名'), holdsBytes('na\udcefve')]).toEqual([false, true])
  })
})
