import { expect, test } from 'vitest'
import { formatConfig, parseConfig } from './config.ts'
import { formatIndex, formatIndexOfEntries, parseIndex } from './index-file.ts'
import { formatKeyFile, type KeyFile, parseKeyFile } from './key-file.ts'
import { formatLockFile, parseLockFile } from './lock-file.ts'
import { formatPackHeader, type PackedBlob, parseHeaderLength, parsePackHeader } from './pack-header.ts'
import { formatSnapshot, parseSnapshot } from './snapshot-file.ts'

const id = 'ab'.repeat(32)
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

test('config', () => {
  const config = { version: 2, id, chunkerPolynomial: '25b468838dcb75' } as const
  expect(parseConfig(formatConfig(config))).toEqual(config)
  expect(() => parseConfig(json({ version: 3, id, chunker_polynomial: '1' }))).toThrow('has format version 3')
  for (const bad of ['', '{', '[]', '{"version":2}', `{"version":0,"id":"${id}","chunker_polynomial":"1"}`]) {
    expect(() => parseConfig(Buffer.from(bad)), bad).toThrow('config is damaged')
  }
})

test('key file, and no hostile one makes us spend without limit', () => {
  const file: KeyFile = {
    created: new Date(5000),
    username: 'u',
    hostname: 'h',
    n: 32768,
    r: 8,
    p: 1,
    salt: Buffer.alloc(64, 1),
    data: Buffer.alloc(40, 2),
  }
  expect(parseKeyFile(formatKeyFile(file), 'key 1')).toEqual(file)
  for (const cost of [{ n: 2 ** 24 }, { n: 1000 }, { n: 1 }, { r: 0 }, { p: 1024, r: 64 }, { n: 2 ** 18, r: 16 }]) {
    expect(() => parseKeyFile(formatKeyFile({ ...file, ...cost }), 'key 1'), JSON.stringify(cost)).toThrow(
      'key 1 is damaged',
    )
  }
  expect(() => parseKeyFile(formatKeyFile({ ...file, salt: Buffer.alloc(8) }), 'key 1')).toThrow('salt')
})

test('lock file', () => {
  const lock = {
    time: new Date(1000),
    exclusive: true,
    hostname: 'h',
    username: 'u',
    pid: 7,
    uid: 0,
    gid: 3,
    processStart: '123',
  }
  expect(parseLockFile(formatLockFile(lock), 'lock 1')).toEqual(lock)
  expect(() => parseLockFile(json({ exclusive: true }), 'lock 1')).toThrow('lock 1 is damaged')
})

test('snapshot file', () => {
  const snapshot = {
    time: new Date(1000),
    tree: id,
    paths: ['/a&b'],
    hostname: 'h',
    username: 'u',
    tags: ['lifeboat'],
    parent: id,
    uid: 3,
  }
  const bytes = formatSnapshot(snapshot)
  expect(bytes.toString()).toContain('"/a\\u0026b"')
  expect(parseSnapshot(bytes, id, 'snapshot 1')).toEqual({ ...snapshot, id })
  expect(() => parseSnapshot(json({ time: '2020-01-01T00:00:00Z', tree: 'x' }), id, 'snapshot 1')).toThrow('"tree"')
})

const blobs: PackedBlob[] = [
  { type: 'data', id, offset: 0, length: 100, uncompressedLength: undefined },
  { type: 'data', id: 'cd'.repeat(32), offset: 100, length: 50, uncompressedLength: 999 },
  { type: 'tree', id, offset: 150, length: 32, uncompressedLength: 7 },
]

test('pack header', () => {
  const header = formatPackHeader(blobs)
  expect(header.length).toBe(37 + 41 + 41)
  const packBytes = 182 + header.length + 32 + 4
  expect(parsePackHeader(header, packBytes, 'pack 1')).toEqual(blobs)
  expect(() => parsePackHeader(header, packBytes + 1, 'pack 1')).toThrow('does not describe its length')
  expect(() => parsePackHeader(header.subarray(0, 60), packBytes, 'pack 1')).toThrow('pack 1 is damaged')
  const wrongType = Buffer.from(header)
  wrongType[0] = 4
  expect(() => parsePackHeader(wrongType, packBytes, 'pack 1')).toThrow('blob type 4')
  for (const length of [0, 31, 0xffffffff, 500]) {
    const tail = Buffer.alloc(4)
    tail.writeUInt32LE(length)
    expect(() => parseHeaderLength(tail, 400, 'pack 1')).toThrow('impossible length')
  }
})

test('index file', () => {
  const packs = [{ id: 'ef'.repeat(32), blobs }]
  expect(parseIndex(formatIndex(packs), 'index 1')).toEqual(packs)
  const entries = packs.map(pack => ({ id: pack.id, entries: formatPackHeader(pack.blobs) }))
  expect(formatIndexOfEntries(entries).equals(formatIndex(packs))).toBe(true)
  expect(JSON.parse(formatIndex(packs).toString()).packs[0].blobs[0]).not.toHaveProperty('uncompressed_length')
  const pack = (blob: object): Buffer =>
    json({ packs: [{ id, blobs: [{ id, type: 'data', offset: 0, length: 40, ...blob }] }] })
  expect(parseIndex(pack({}), 'index 1')).toHaveLength(1)
  for (const bad of [
    { id: 5 },
    { type: 'x' },
    { offset: -1 },
    { length: 1 },
    { length: 2 ** 33 },
    { uncompressed_length: 2 ** 31 },
  ]) {
    expect(() => parseIndex(pack(bad), 'index 1'), JSON.stringify(bad)).toThrow('index 1 is damaged')
  }
})
