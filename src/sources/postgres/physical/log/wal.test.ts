import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatLsn,
  DEFAULT_WAL_SEGMENT_BYTES as MIB16,
  parseHistory,
  parseLsn,
  parseWalFileName,
  segmentName,
  segmentNamesBetween,
  segmentOf,
} from './wal.ts'

test('positions round-trip', () => {
  fc.assert(fc.property(fc.bigInt(0n, 2n ** 64n - 1n), lsn => parseLsn(formatLsn(lsn)) === lsn))
  expect(formatLsn(parseLsn('16/B374D848') ?? 0n)).toBe('16/B374D848')
})

test.each(['', '16', '16/', '/1', '1/123456789', 'x/1', '16/B374D848 x'])('refuses %j as a position', text =>
  expect(parseLsn(text)).toBeUndefined(),
)

test.each([
  ['00000001000000000000000A', 'segment'],
  ['00000001000000000000000A.partial', 'partial'],
  ['00000001000000000000000A.00000028.backup', 'backup'],
  ['00000002.history', 'history'],
])('%s is a %s', (name, kind) => expect(parseWalFileName(name)?.kind).toBe(kind))

test.each([
  '',
  '00000001000000000000000a',
  '0000000100000000000000A',
  '00000001000000000000000A.gz',
  '../00000002.history',
  '00000000000000000000000A',
  'archive_status',
  '00000001000000000000000A.partial/x',
])('refuses %j as a name', name => expect(parseWalFileName(name)).toBeUndefined())

test('segment names follow each other over the end of a log file', () => {
  expect(segmentNamesBetween(1, parseLsn('0/FE000028') ?? 0n, parseLsn('1/100') ?? 0n, MIB16)).toEqual([
    '0000000100000000000000FE',
    '0000000100000000000000FF',
    '000000010000000100000000',
  ])
  expect(segmentNamesBetween(1, parseLsn('0/2000000') ?? 0n, parseLsn('0/3000000') ?? 0n, MIB16)).toHaveLength(1)
})

test('segment names round-trip for every segment size', () => {
  const sizes = fc.integer({ min: 20, max: 30 }).map(bits => 2 ** bits)
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 2 ** 31 }), fc.bigInt(0n, 2n ** 33n), (size, timeline, number) => {
      expect(segmentOf(segmentName({ timeline, number }, size), size)).toEqual({ timeline, number })
    }),
  )
})

test('reads a history file', () => {
  expect(parseHistory('1\t0/3000000\tno recovery target specified\n\n# x\n2\t0/5A0\treason\n')).toEqual([
    { timeline: 1, switchLsn: 0x3000000n },
    { timeline: 2, switchLsn: 0x5a0n },
  ])
})
