import { describe, expect, it, test } from 'vitest'
import { chooseBase, listBasesBefore } from './recovery-choice.ts'
import {
  type BaseBackup,
  listGaps,
  listLoggedBases,
  listRecoveryWindows,
  listUnneededSegments,
  type WalCoverage,
} from './recovery-window.ts'

const MIB16 = 16n * 1024n * 1024n
const at = (minute: number): Date => new Date(Date.UTC(2026, 8, 4, 2, minute))

/** A backup that starts in segment `start` and ends in the same. */
const base = (name: string, start: number, minute: number, timeline = 1): BaseBackup => ({
  snapshot: name,
  timeline,
  startLsn: BigInt(start) * MIB16 + 40n,
  stopLsn: BigInt(start) * MIB16 + 256n,
  stoppedAt: at(minute),
  nextXid: BigInt(minute * 100),
})

const log = (
  segments: Record<number, number[]>,
  histories: Record<number, Array<[timeline: number, segment: number]>> = {},
): WalCoverage => ({
  segmentBytes: Number(MIB16),
  segments: new Map(Object.entries(segments).map(([t, numbers]) => [Number(t), new Set(numbers.map(BigInt))])),
  histories: new Map(
    Object.entries(histories).map(([t, switches]) => [
      Number(t),
      switches.map(([timeline, segment]) => ({ timeline, switchLsn: BigInt(segment) * MIB16 + 500n })),
    ]),
  ),
})

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const shape = (windows: ReturnType<typeof listRecoveryWindows>): unknown =>
  windows.map(w => [w.timeline, w.bases.map(b => b.snapshot).join(' '), Number(w.toLsn / MIB16), w.lastSegment])

describe('recovery windows', () => {
  it('is one window while the log has no gap', () => {
    const windows = listRecoveryWindows([base('a', 2, 1), base('b', 5, 2)], log({ 1: range(2, 9) }))
    expect(shape(windows)).toEqual([[1, 'a b', 10, '000000010000000000000009']])
    expect(windows[0]?.from).toEqual(at(1))
    expect(windows[0]?.fromLsn).toBe(2n * MIB16 + 256n)
  })

  it('ends at a gap, and begins again with the next backup', () => {
    const windows = listRecoveryWindows([base('a', 2, 1), base('b', 7, 2)], log({ 1: [2, 3, 4, 6, 7, 8] }))
    expect(shape(windows)).toEqual([
      [1, 'a', 5, '000000010000000000000004'],
      [1, 'b', 9, '000000010000000000000008'],
    ])
  })

  it('is the moment of the backup alone without any log', () => {
    expect(shape(listRecoveryWindows([base('a', 2, 1)], log({})))).toEqual([[1, 'a', 2, undefined]])
    expect(shape(listRecoveryWindows([base('a', 5, 1)], log({ 1: [2, 3] })))).toEqual([[1, 'a', 5, undefined]])
  })

  it('follows a new timeline, and keeps the old one where it went on', () => {
    const promoted = log({ 1: range(2, 6), 2: range(6, 9) }, { 2: [[1, 6]] })
    expect(shape(listRecoveryWindows([base('a', 2, 1)], promoted))).toEqual([[2, 'a', 10, '000000020000000000000009']])
    const both = log({ 1: range(2, 12), 2: range(6, 9) }, { 2: [[1, 6]] })
    expect(shape(listRecoveryWindows([base('a', 2, 1), base('late', 11, 9)], both))).toEqual([
      [1, 'a late', 13, '00000001000000000000000C'],
      [2, 'a', 10, '000000020000000000000009'],
    ])
  })

  it('does not take the log of a timeline for that of its sibling', () => {
    const forked = log({ 1: range(2, 6), 2: [6, 7], 3: [6, 7, 8] }, { 2: [[1, 6]], 3: [[1, 6]] })
    expect(shape(listRecoveryWindows([base('a', 2, 1)], forked))).toEqual([
      [2, 'a', 8, '000000020000000000000007'],
      [3, 'a', 9, '000000030000000000000008'],
    ])
  })
})

test('gaps', () => {
  expect(listGaps(log({ 1: [2, 3, 6, 7, 9], 2: [1] }))).toEqual([
    { timeline: 1, firstMissing: '000000010000000000000004', lastMissing: '000000010000000000000005', count: 2 },
    { timeline: 1, firstMissing: '000000010000000000000008', lastMissing: '000000010000000000000008', count: 1 },
  ])
})

describe('which backup a target is recovered from', () => {
  const bases = [base('a', 2, 1), base('b', 7, 20)]
  const logged = listLoggedBases(bases, log({ 1: [2, 3, 4, 7, 8] }))
  const toTimes = new Map([
    ['000000010000000000000004', at(10)],
    ['000000010000000000000008', at(30)],
  ])
  const choose = (target: Parameters<typeof chooseBase>[0]): string => {
    const chosen = chooseBase(target, logged, toTimes)
    return 'reason' in chosen ? chosen.reason : chosen.base.snapshot
  }
  const micros = (minute: number): number => at(minute).getTime() * 1000
  const lsn = (segment: number): string => `0/${(BigInt(segment) * MIB16 + 4096n).toString(16)}`

  it.each([
    [{ kind: 'time', epochMicros: micros(5) }, 'a'],
    [{ kind: 'time', epochMicros: micros(25) }, 'b'],
    [{ kind: 'time', epochMicros: micros(0) }, 'it is before the end of the first backup'],
    [{ kind: 'time', epochMicros: micros(15) }, 'the archived log does not reach it, or has a gap before it'],
    [{ kind: 'time', epochMicros: micros(31) }, 'the archived log does not reach it, or has a gap before it'],
    [{ kind: 'position', position: lsn(4) }, 'a'],
    [{ kind: 'position', position: lsn(8) }, 'b'],
    [{ kind: 'position', position: lsn(6) }, 'the archived log does not reach it, or has a gap before it'],
    [{ kind: 'position', position: lsn(9) }, 'the archived log does not reach it, or has a gap before it'],
    [{ kind: 'time', epochMicros: micros(1) - 1 }, 'it is before the end of the first backup'],
    [{ kind: 'time', epochMicros: micros(20) - 1 }, 'the archived log does not reach it, or has a gap before it'],
    [{ kind: 'time', epochMicros: micros(20) + 1 }, 'b'],
    [{ kind: 'end' }, 'b'],
  ] as const)('%j -> %s', (target, expected) => expect(choose(target)).toBe(expected))

  it('reaches the end of a backup, though the last segment that it needs was written before', () => {
    const early = new Map([...toTimes, ['000000010000000000000008', at(19)]])
    const chosen = chooseBase({ kind: 'time', epochMicros: micros(20) }, logged, early)
    expect(chosen).toMatchObject({ base: { snapshot: 'b' } })
    expect(chooseBase({ kind: 'time', epochMicros: micros(21) }, logged, early)).toHaveProperty('reason')
  })

  it('begins before the place of what was looked for', () => {
    expect(choose({ kind: 'found', lsn: 4n * MIB16 })).toBe('a')
    expect(choose({ kind: 'found', lsn: 8n * MIB16 })).toBe('b')
    expect(choose({ kind: 'found', lsn: 2n * MIB16 })).toBe('it is before the end of the first backup')
  })

  it.each([
    ['150', ['a', 'b']],
    ['2000', ['b']],
    ['99', ['a', 'b']],
    [String((1n << 32n) + 7n), ['b']],
  ])('transaction %s can have ended after %j', (xid, expected) =>
    expect(listBasesBefore(BigInt(xid), logged).map(({ base: { snapshot } }) => snapshot)).toEqual(expected),
  )

  it('goes along one timeline', () => {
    const forked = log(
      { 1: range(2, 12), 2: range(6, 9), 3: [9, 10] },
      {
        2: [[1, 6]],
        3: [
          [1, 6],
          [2, 9],
        ],
      },
    )
    const all = [base('a', 2, 1), base('late', 11, 9), base('b', 7, 10, 2)]
    const along = (timeline?: string) =>
      listLoggedBases(all, forked, timeline).map(l => [l.base.snapshot, l.timeline, l.lastSegment])
    expect(along()).toEqual([
      ['b', 3, '00000003000000000000000A'],
      ['a', 3, '00000003000000000000000A'],
    ])
    expect(along('latest')).toEqual(along())
    expect(along('1').map(([name]) => name)).toEqual(['late', 'a'])
    expect(along('2')).toEqual([
      ['b', 2, '000000020000000000000009'],
      ['a', 2, '000000020000000000000009'],
    ])
    expect(along('current')).toEqual([
      ['late', 1, '00000001000000000000000C'],
      ['b', 2, '000000020000000000000009'],
      ['a', 1, '00000001000000000000000C'],
    ])
    expect(along('7')).toEqual([])
  })

  it('says when there is none at all', () =>
    expect(chooseBase({ kind: 'end' }, [], new Map())).toEqual({ reason: 'there is no physical backup' }))
})

test('only log before every kept backup may go', () => {
  const archive = log({ 1: range(2, 8), 2: range(6, 9) }, { 2: [[1, 6]] })
  expect(listUnneededSegments([], archive)).toEqual([])
  expect(listUnneededSegments([base('b', 7, 2, 2), base('a', 4, 1)], archive)).toEqual([
    '000000010000000000000002',
    '000000010000000000000003',
  ])
  expect(listUnneededSegments([base('b', 7, 2, 2)], archive)).toContain('000000020000000000000006')
})
