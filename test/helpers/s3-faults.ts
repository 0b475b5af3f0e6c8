import { type CallKind, changedAnswer, type FaultCase, STORAGE_CALLS } from '../contracts/http-faults.ts'
import type { Fault } from './fault-proxy.ts'

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

const ALL = Object.keys(STORAGE_CALLS) as CallKind[]
const REPEATABLE = ALL.filter(kind => kind !== 'saveAbsent')

const withHeader = (name: string, value: string): Fault =>
  changedAnswer(({ headers }) => ({ headers: { ...headers, [name]: value } }))

/** What S3 says, and what its services do beside what any may do. */
export const S3_CASES: readonly FaultCase[] = [
  {
    what: 'a throttled call',
    fault: s3Refusal(429, 'TooManyRequests', { 'retry-after': '7' }),
    calls: ALL,
    code: 'storage-busy',
  },
  { what: 'SlowDown', fault: s3Refusal(503, 'SlowDown'), calls: ALL, code: 'storage-busy' },
  { what: 'an internal error', fault: s3Refusal(500, 'InternalError'), calls: ALL, code: 'storage-failed' },
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
  { what: 'a lost answer', fault: 'lost', calls: REPEATABLE, code: undefined },
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
    what: 'a range without a word which',
    fault: withHeader('content-range', 'none'),
    calls: ['loadRange'],
    code: 'storage-failed',
  },
  {
    what: 'the right range with status 200',
    fault: changedAnswer(() => ({ status: 200 })),
    calls: ['loadRange'],
    code: undefined,
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
    code: 'storage-archived',
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
