import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { schemaFingerprint, stableSql } from '../sql-text.ts'
import { clearArchiveTime } from './archive-header.ts'
import { readToc } from './toc.ts'

/** What pg_dump writes: magic, version, sizes, format, compression, seven numbers of time. */
function header(minor: number, second: number): Buffer {
  const int = (value: number): Buffer => {
    const bytes = Buffer.alloc(5)
    bytes.writeInt32LE(value, 1)
    return bytes
  }
  const compression = minor >= 15 ? Buffer.from([0]) : int(0)
  const time = [second, 13, 14, 21, 10, 126, 0].map(int)
  return Buffer.concat([
    Buffer.from('PGDMP'),
    Buffer.from([1, minor, 0, 4, 8, 1]),
    compression,
    ...time,
    Buffer.alloc(64, 7),
  ])
}

describe('archive header', () => {
  for (const minor of [14, 15, 16]) {
    it(`forgets the time of version 1.${minor}, and nothing else`, () => {
      const [a, b] = [header(minor, 1), header(minor, 59)]
      const timeAt = minor >= 15 ? 12 : 16
      const rest = Buffer.concat([a.subarray(0, timeAt), a.subarray(timeAt + 35)])
      clearArchiveTime(a)
      clearArchiveTime(b)
      expect(a.equals(b)).toBe(true)
      expect(Buffer.concat([a.subarray(0, timeAt), a.subarray(timeAt + 35)]).equals(rest)).toBe(true)
      expect(a.readInt32LE(timeAt + 5 * 5 + 1)).toBe(100)
    })
  }

  it('leaves what it does not know', () => {
    for (const bytes of [header(99, 3), Buffer.from('PGDMP'), Buffer.alloc(100)]) {
      const before = Buffer.from(bytes)
      clearArchiveTime(bytes)
      expect(bytes.equals(before)).toBe(true)
    }
  })
})

describe('table of contents', () => {
  const read = (bytes: Buffer) => readToc(Readable.from([bytes]) as AsyncIterable<Buffer>)

  it('of a form that we do not know, or of none, is refused', async () => {
    for (const bytes of [header(99, 3), header(13, 3), Buffer.alloc(100)]) {
      await expect(read(bytes)).rejects.toMatchObject({ code: 'unsupported' })
    }
  })

  it('that is cut is damage', async () => {
    const whole = header(14, 3)
    for (const length of [3, 9, 40]) {
      await expect(read(whole.subarray(0, length))).rejects.toMatchObject({ code: 'damaged' })
    }
  })
})

describe('SQL text', () => {
  const dump = (key: string, version: string, table = 'a'): string =>
    `--\n-- PostgreSQL database dump\n--\n\n\\restrict ${key}\n\n-- Dumped from database version ${version}\nSET statement_timeout = 0;\nCREATE TABLE ${table} ();\n\\unrestrict ${key}\n`

  it('is the same for the same content, whatever the key and the version', () => {
    expect(stableSql(dump('one', '15.1'))).toBe(stableSql(dump('two', '15.2')))
    expect(stableSql(dump('one', '15.1'))).toMatch(/\\restrict [0-9a-f]{63}\n/)
    expect(stableSql(dump('one', '15.1'))).not.toBe(stableSql(dump('one', '15.1', 'b')))
  })

  it('has a fingerprint of what it creates', () => {
    expect(schemaFingerprint(dump('one', '15.1'))).toBe(schemaFingerprint(dump('two', '17.2').replace('dump', 'x')))
    expect(schemaFingerprint(dump('one', '15.1'))).not.toBe(schemaFingerprint(dump('one', '15.1', 'b')))
  })
})
