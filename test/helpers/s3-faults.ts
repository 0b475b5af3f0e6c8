import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Storage } from '../../src/storage/storage.ts'
import type { StorageErrorCode } from '../../src/storage/storage-error.ts'
import type { Fault, ProxiedAnswer } from './fault-proxy.ts'

/** What `config` holds. */
export const CONTENT = randomBytes(300_000)

/** A refusal in S3's words. */
export const s3Refusal = (
  status: number,
  code: string,
  headers: Record<string, string> = {},
  message = 'planted',
): Fault => ({
  answer: {
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`),
  },
})

export type CallKind = 'save' | 'saveAbsent' | 'load' | 'loadRange' | 'find' | 'list' | 'remove'

/** What each kind of call does, and what holds once it went well: also when another attempt had to be made. */
export const CALLS: Readonly<Record<CallKind, (storage: Storage) => Promise<void>>> = {
  save: async storage => {
    await storage.save('index/new', [CONTENT.subarray(0, 1000), CONTENT.subarray(1000)])
    expect((await storage.load('index/new')).equals(CONTENT)).toBe(true)
  },
  saveAbsent: async storage => {
    await storage.save('index/new', CONTENT, { ifAbsent: true })
    expect((await storage.load('index/new')).equals(CONTENT)).toBe(true)
  },
  load: async storage => {
    expect((await storage.load('config')).equals(CONTENT)).toBe(true)
  },
  loadRange: async storage => {
    const part = await storage.load('config', { range: { offset: 1000, length: 5000 }, into: Buffer.alloc(6000) })
    expect(part.equals(CONTENT.subarray(1000, 6000))).toBe(true)
  },
  find: async storage => {
    expect(await storage.find('config')).toMatchObject({ key: 'config', sizeBytes: 300_000 })
  },
  list: async storage => {
    const keys: string[] = []
    for await (const { key } of storage.list('')) keys.push(key)
    expect(keys).toEqual(['config', 'locks/a'])
  },
  remove: async storage => {
    await storage.remove('locks/a')
    expect(await storage.find('locks/a')).toBeUndefined()
  },
}

const ALL = Object.keys(CALLS) as CallKind[]
const REPEATABLE = ALL.filter(kind => kind !== 'saveAbsent')
const BODIES: CallKind[] = ['load', 'loadRange', 'list']

export interface FaultCase {
  readonly what: string
  readonly fault: Fault
  readonly calls: readonly CallKind[]
  /** Of the call as it is; undefined where it goes well nevertheless. */
  readonly code: StorageErrorCode | undefined
}

const changed = (change: (answer: ProxiedAnswer) => Partial<ProxiedAnswer>): Fault => ({
  change: answer => ({ ...answer, ...change(answer) }),
})
const withHeader = (name: string, value: string): Fault =>
  changed(({ headers }) => ({ headers: { ...headers, [name]: value } }))

export const CASES: readonly FaultCase[] = [
  {
    what: 'a throttled call',
    fault: s3Refusal(429, 'TooManyRequests', { 'retry-after': '7' }),
    calls: ALL,
    code: 'storage-busy',
  },
  { what: 'SlowDown', fault: s3Refusal(503, 'SlowDown'), calls: ALL, code: 'storage-busy' },
  { what: 'an internal error', fault: s3Refusal(500, 'InternalError'), calls: ALL, code: 'storage-failed' },
  {
    what: 'a page of a broken gateway',
    fault: { answer: { status: 502, body: Buffer.from('<html>Bad') } },
    calls: ALL,
    code: 'storage-failed',
  },
  {
    what: 'a denied call',
    fault: s3Refusal(403, 'AccessDenied'),
    calls: ALL.filter(kind => kind !== 'find'),
    code: 'storage-denied',
  },
  {
    what: 'a cap that is reached',
    fault: s3Refusal(403, 'AccessDenied', {}, 'Cannot upload files, storage cap exceeded.'),
    calls: ['save', 'saveAbsent'],
    code: 'storage-full',
  },
  {
    what: 'a redirect to another region',
    fault: s3Refusal(307, 'TemporaryRedirect', { location: 'http://127.0.0.1:1/' }),
    calls: ALL.filter(kind => kind !== 'find'),
    code: 'storage-denied',
  },
  // Sent again at once over a new connection, but for what would then find its own object.
  { what: 'a kept connection that breaks', fault: 'reset', calls: REPEATABLE, code: undefined },
  { what: 'a kept connection that breaks', fault: 'reset', calls: ['saveAbsent'], code: 'storage-failed' },
  { what: 'a lost answer', fault: 'lost', calls: REPEATABLE, code: undefined },
  { what: 'a lost answer', fault: 'lost', calls: ['saveAbsent'], code: 'storage-failed' },
  { what: 'a server that stands still', fault: 'stall', calls: ALL, code: 'storage-failed' },
  { what: 'a cut body', fault: { cut: 100 }, calls: BODIES, code: 'storage-failed' },
  {
    what: 'an error inside of a success',
    fault: s3Refusal(200, 'InternalError'),
    calls: ALL.filter(kind => kind !== 'find'),
    code: 'storage-failed',
  },
  {
    what: 'a throttling inside of a success',
    fault: s3Refusal(200, 'SlowDown'),
    calls: ALL.filter(kind => kind !== 'find'),
    code: 'storage-busy',
  },
  {
    what: 'a wrong ETag',
    fault: withHeader('etag', '"00000000000000000000000000000000"'),
    calls: ALL,
    code: undefined,
  },
  {
    what: 'a longer body than was said',
    fault: changed(({ body }) => ({ body: Buffer.concat([body, Buffer.from('x')]) })),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'another range',
    fault: withHeader('content-range', 'bytes 0-4999/300000'),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'a range without a word which',
    fault: withHeader('content-range', 'none'),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'a range that was not asked for',
    fault: changed(() => ({ status: 206 })),
    calls: ['load'],
    code: 'storage-failed',
  },
  { what: 'the whole object for a range', fault: { answer: { body: CONTENT } }, calls: ['loadRange'], code: undefined },
  {
    what: 'the right range with status 200',
    fault: changed(() => ({ status: 200 })),
    calls: ['loadRange'],
    code: undefined,
  },
  {
    what: 'a range that ends too early at the object’s end',
    fault: { answer: { status: 206, headers: { 'content-range': 'bytes 1000-1999/2000' }, body: Buffer.alloc(1000) } },
    calls: ['loadRange'],
    code: 'storage-too-short',
  },
  {
    what: 'a writer in the same instant',
    fault: s3Refusal(409, 'ConditionalRequestConflict'),
    calls: ['saveAbsent'],
    code: 'storage-failed',
  },
  {
    what: 'a body that did not arrive as it was',
    fault: s3Refusal(400, 'XAmzContentSHA256Mismatch'),
    calls: ['save', 'saveAbsent'],
    code: 'storage-failed',
  },
  {
    what: 'an archived object',
    fault: s3Refusal(403, 'InvalidObjectState'),
    calls: ['load', 'loadRange'],
    code: 'storage-denied',
  },
  {
    what: 'a service without conditions',
    fault: s3Refusal(501, 'NotImplemented'),
    calls: ['saveAbsent'],
    code: undefined,
  },
  {
    what: 'a bucket that is gone',
    fault: s3Refusal(404, 'NoSuchBucket'),
    calls: ['save', 'saveAbsent', 'load', 'loadRange', 'list', 'remove'],
    code: 'storage-denied',
  },
]
