import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LogBase } from '../../../../model/log.ts'
import type { LogReader } from '../../../source.ts'
import { walFormat } from './log-format.ts'
import { formatLsn, segmentName } from './wal.ts'

const MIB = 1024 * 1024
const A = '00000001000000000000000A'

/** A segment of one mebibyte with the header that PostgreSQL gives it. */
function segment(number: number, systemIdentifier = 7n): Buffer {
  const bytes = Buffer.alloc(MIB)
  bytes.writeUInt16LE(2, 2)
  bytes.writeBigUInt64LE(BigInt(number) * BigInt(MIB), 8)
  bytes.writeBigUInt64LE(systemIdentifier, 24)
  bytes.writeUInt32LE(MIB, 32)
  return bytes
}

const file = (name: string) => {
  const found = walFormat.parseName(name)
  if (found === undefined) throw new Error(`no file of the log: ${name}`)
  return found
}

it.each([
  [A, { name: A, unfinished: false, order: A }],
  [`${A}.partial`, { name: A, unfinished: true, order: A }],
  [`${A}.00000028.backup`, { name: `${A}.00000028.backup`, unfinished: false, order: A }],
  ['00000002.history', { name: '00000002.history', unfinished: false, order: undefined }],
  ['archive_status', undefined],
  [A.toLowerCase(), undefined],
])('reads the file name %s', (name, expected) => expect(walFormat.parseName(name)).toEqual(expected))

it('orders segments as they were written: a new timeline after all of the one that it left', () => {
  const names = ['000000010000000000000008', '000000010000000100000000', '000000020000000000000007']
  const orders = names.map(name => file(name).order ?? '')
  expect(orders.toSorted()).toEqual(orders)
})

it.each([
  ['0/3000028', true],
  ['16/B374D848', true],
  ['x', false],
  ['3000028', false],
])('takes %s for a position: %s', (text, expected) => expect(walFormat.isPosition(text)).toBe(expected))

describe('a file and its name', () => {
  it('is of the cluster that its first page names', () => {
    expect(walFormat.checkFile(file(A), segment(10))).toEqual({ log: '7' })
    expect(walFormat.checkFile(file(`${A}.partial`), segment(10))).toEqual({ log: '7' })
  })

  it.each([
    ['another segment', segment(11)],
    ['a part of it', segment(10).subarray(0, MIB / 2)],
    ['zeros', Buffer.alloc(MIB)],
    ['nothing', Buffer.alloc(0)],
  ])('is refused when it is %s', (_, bytes) => expect(walFormat.checkFile(file(A), bytes)).toBeUndefined())

  it.each([`${A}.00000028.backup`, '00000002.history'])('does not say in %s which cluster it is of', name =>
    expect(walFormat.checkFile(file(name), Buffer.from('text'))).toEqual({ log: undefined }),
  )
})

it('names the segments that follow, over the end of a log file', () => {
  expect(walFormat.listNext('0000000300000000000000FE', 16 * MIB, 3)).toEqual([
    '0000000300000000000000FF',
    '000000030000000100000000',
    '000000030000000100000001',
  ])
  expect(walFormat.listNext('00000002.history', 100, 3)).toEqual([])
})

describe('in a data directory', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'lifeboat-wal-'))
  })
  afterEach(async () => await rm(dir, { recursive: true, force: true }))

  it('is of the cluster of the control file', async () => {
    expect(await walFormat.findLog(dir)).toBeUndefined()
    await mkdir(join(dir, 'global'))
    const control = Buffer.alloc(100)
    control.writeBigUInt64LE(7_401_234_567_890_123_456n)
    await writeFile(join(dir, 'global', 'pg_control'), control)
    expect(await walFormat.findLog(dir)).toBe('7401234567890123456')
  })

  it('lists the segments that wait to be archived after one', async () => {
    const status = join(dir, 'archive_status')
    await mkdir(status)
    const waiting = [
      '00000001000000000000000C',
      '00000001000000000000000B',
      '000000010000000000000009',
      '00000002.history',
    ]
    for (const name of [...waiting, A]) await writeFile(join(status, `${name}.ready`), '')
    await writeFile(join(status, '00000001000000000000000D.done'), '')
    expect(await walFormat.listWaiting(join(dir, A))).toEqual(['00000001000000000000000B', '00000001000000000000000C'])
  })
})

describe('an archive', () => {
  const history = '00000002.history'
  const reader = (names: readonly string[], sizeBytes = MIB): LogReader => ({
    id: '7',
    files: names.map(file),
    find: async name =>
      name === history ? { bytes: Buffer.from(`1\t${formatLsn(BigInt(6 * MIB + 500))}\tno reason\n`) } : undefined,
    findHeader: async name => ({ sizeBytes, writtenAt: new Date(Number(`0x${name.slice(16)}`) * 60_000) }),
  })
  const name = (timeline: number, number: number): string => segmentName({ timeline, number: BigInt(number) }, MIB)
  const base = (snapshot: string, number: number, branch = 1): LogBase => ({
    snapshot,
    log: '7',
    branch,
    start: formatLsn(BigInt(number * MIB + 40)),
    end: formatLsn(BigInt(number * MIB + 256)),
    endedAt: new Date(number * 60_000),
    properties: { nextXid: '100' },
  })
  const names = [
    name(1, 2),
    name(1, 3),
    name(1, 4),
    name(1, 6),
    `${name(1, 7)}.partial`,
    `${name(1, 3)}.00000028.backup`,
  ]

  it('is measured in segments as long as those in it', async () => {
    const coverage = await walFormat.readCoverage(reader(names))
    expect(coverage.ranges).toEqual([{ branch: 1, first: name(1, 2), last: name(1, 7), files: 5 }])
    expect(coverage.gaps).toEqual([{ branch: 1, firstMissing: name(1, 5), lastMissing: name(1, 5), count: 1 }])
    const windows = coverage.listWindows([base('a', 2), base('b', 6)])
    expect(windows.map(window => [window.bases[0]?.snapshot, window.toPosition, window.lastFile])).toEqual([
      ['a', '0/500000', name(1, 4)],
      ['b', '0/800000', name(1, 7)],
    ])
    const live = { id: '7', branch: 1, position: '0/900000', fileBytes: MIB, hold: undefined, archiver: undefined }
    expect(coverage.measureLag({ ...live, findings: [] })).toEqual({ bytes: MIB, newest: name(1, 7) })
    expect(coverage.measureLag({ ...live, branch: 2, findings: [] })).toBeUndefined()
  })

  it('lets segments before every backup go, with the labels of backups in them', async () => {
    const coverage = await walFormat.readCoverage(reader([...names, history]))
    expect(coverage.listUnneeded([base('b', 6), base('a', 4)]).toSorted()).toEqual(
      [name(1, 2), name(1, 3), `${name(1, 3)}.00000028.backup`].toSorted(),
    )
    expect(coverage.listUnneeded([])).toEqual([])
  })

  it('reaches a moment on the timeline that is asked for, or says why not', async () => {
    const forked = [...names.slice(0, 3), name(1, 5), name(1, 6), name(1, 7), name(2, 6), name(2, 7), history]
    const coverage = await walFormat.readCoverage(reader(forked))
    const bases = [base('a', 2), base('late', 7)]
    const choose = async (position: string, branch?: string, wanted?: string): Promise<unknown> => {
      const target = { kind: 'position', position } as const
      const chosen = await coverage.choose({ target, branch, bases, wanted, warns: false, subject: 'x' })
      return 'base' in chosen ? chosen.base.snapshot : [chosen.reason, chosen.better?.snapshot]
    }
    expect(await choose('0/7FFFFF')).toBe('a')
    expect(await choose('0/7FFFFF', '1')).toBe('late')
    expect(await choose('0/7FFFFF', '1', 'a')).toBe('a')
    expect(await choose('0/3FFFFF', '1', 'late')).toEqual(['it is before the end of the first backup', 'a'])
    expect(await choose('0/9FFFFF')).toEqual(['the archived log does not reach it, or has a gap before it', undefined])
    expect(await choose('0/7FFFFF', '9')).toEqual(['no backup is on timeline 9', undefined])
  })
})

it.each([
  [{ mode: 'logical' }, undefined],
  [{ mode: 'physical', systemIdentifier: '7', timeline: 1, startLsn: 'x', stopLsn: '0/3000100' }, undefined],
  [
    { mode: 'physical', systemIdentifier: '7', timeline: 3, startLsn: '0/3000028', stopLsn: '0/3000100', nextXid: '9' },
    {
      log: '7',
      branch: 3,
      start: '0/3000028',
      end: '0/3000100',
      endedAt: new Date('2026-09-04T02:00:00Z'),
      properties: { nextXid: '9' },
    },
  ],
])('a recovery begins with the backup that a manifest is of: %j', (properties, expected) => {
  const manifest = { capturedAt: '2026-09-04T02:00:00Z', database: { tables: [], schemaFingerprint: '', properties } }
  expect(walFormat.findBase(manifest as never)).toEqual(expected)
})
