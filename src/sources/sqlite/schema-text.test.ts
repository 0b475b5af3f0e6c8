import { describe, expect, it } from 'vitest'
import { fingerprintSchema, normalizeSql, quoteName, quoteText } from './schema-text.ts'

describe('normalizeSql', () => {
  it('drops comments and white space between words', () => {
    const plain = 'CREATE TABLE t(a INTEGER,b TEXT)'
    for (const sql of [
      'CREATE TABLE t (a INTEGER, b TEXT)',
      'CREATE  TABLE\n t(\n  a INTEGER , -- the a\n  b TEXT\n)',
      'CREATE TABLE/* here */t(a INTEGER,b/**/TEXT)',
      'CREATE TABLE t(a INTEGER,b TEXT) -- end',
    ]) {
      expect(normalizeSql(sql)).toBe(plain)
    }
  })

  it('keeps what is quoted, and what words mean', () => {
    const sql = `DEFAULT '--  x''  y' CHECK("a  b"<> [c  d] AND \`e  f\`>- -1)`
    expect(normalizeSql(sql)).toBe(`DEFAULT '--  x''  y' CHECK("a  b"<>[c  d] AND \`e  f\`>--1)`)
    expect(normalizeSql('a b')).not.toBe(normalizeSql('ab'))
    expect(normalizeSql("x 'a'")).not.toBe(normalizeSql("x 'A'"))
  })
})

describe('fingerprintSchema', () => {
  const a = { type: 'table', name: 'a', table: 'a', sql: 'CREATE TABLE a (x)' }
  const b = { type: 'index', name: 'b', table: 'a', sql: 'CREATE INDEX b ON a (x)' }

  it('does not depend on order and layout, but on everything else', () => {
    const one = fingerprintSchema([a, b])
    expect(one).toMatch(/^[0-9a-f]{64}$/)
    expect(fingerprintSchema([b, { ...a, sql: 'CREATE TABLE a(\n x\n)' }])).toBe(one)
    expect(fingerprintSchema([a])).not.toBe(one)
    expect(fingerprintSchema([{ ...a, sql: 'CREATE TABLE a (y)' }, b])).not.toBe(one)
    expect(fingerprintSchema([a, { ...b, table: 'c' }])).not.toBe(one)
  })
})

it('quotes for SQL', () => {
  expect([quoteName('a"b'), quoteText("it's")]).toEqual(['"a""b"', "'it''s'"])
})
