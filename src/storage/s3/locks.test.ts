import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { FaultProxy } from '../../../test/helpers/fault-proxy.ts'
import { describeWithS3, type S3Server, startS3Server } from '../../../test/helpers/s3-server.ts'
import { openTestS3 } from '../../../test/helpers/s3-storage.ts'
import type { AppError } from '../../base/errors.ts'
import type { Storage } from '../storage.ts'
import { untilOf } from '../storage-error.ts'
import { lockAdvice } from './lock-advice.ts'
import { parseS3Url } from './url.ts'

const DAY = 86_400_000
/** Services keep whole seconds. */
const START = Math.floor(Date.now() / 1000) * 1000
const inDays = (days: number): Date => new Date(START + days * DAY)
const xml = (code: string, message: string): Buffer =>
  Buffer.from(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`)

describeWithS3('locks of objects on a real server', () => {
  let server: S3Server
  let proxy: FaultProxy
  const opened: Storage[] = []

  async function open(bucket: string, mode?: 'governance' | 'compliance', origin = proxy.origin) {
    const options = mode === undefined ? {} : { lock: { mode, period: '30d' } }
    const storage = await openTestS3(`s3:${origin}/${bucket}/r`, { options })
    opened.push(storage)
    const { retention } = storage
    if (!retention) throw new Error('no retention')
    return { storage, retention }
  }

  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('locked', { locks: true })
    await server.createBucket('plain')
    proxy = await FaultProxy.start(server.port)
  })
  afterEach(async () => {
    proxy.forget()
    for (const storage of opened.splice(0)) await storage.close()
  })
  afterAll(async () => {
    await proxy.close()
    await server.close()
  })

  test('an object is stored with its lock, and a checksum that AWS wants', async () => {
    const { storage, retention } = await open('locked', 'compliance')
    await storage.save('data/one', Buffer.from('x'), { lockedUntil: inDays(45) })
    const { headers } = proxy.calls.at(-1) ?? {}
    expect(headers?.['content-md5']).toBe(
      // MD5 of "x".
      Buffer.from('9dd4e461268c8034f5c8564e155c67a6', 'hex').toString('base64'),
    )
    expect(await retention.findLockedUntil('data/one')).toEqual(inDays(45))
  })

  test('a lock becomes longer, and no call makes it shorter', async () => {
    const { storage, retention } = await open('locked', 'compliance')
    await storage.save('data/two', Buffer.from('x'), { lockedUntil: inDays(2) })
    await retention.extendLock('data/two', inDays(3))
    await retention.extendLock('data/two', inDays(1))
    expect(await retention.findLockedUntil('data/two')).toEqual(inDays(3))
  })

  test('what was stored without a lock can be locked later', async () => {
    const { storage, retention } = await open('locked', 'compliance')
    await storage.save('data/three', Buffer.from('x'))
    expect(await retention.findLockedUntil('data/three')).toBeUndefined()
    await retention.extendLock('data/three', inDays(2))
    expect(await retention.findLockedUntil('data/three')).toEqual(inDays(2))
  })

  test('what is not there has no lock and gets none, also once it was removed', async () => {
    const { storage, retention } = await open('locked', 'compliance')
    await storage.save('data/gone', Buffer.from('x'), { lockedUntil: inDays(2) })
    await storage.remove('data/gone')
    for (const key of ['data/gone', 'data/never']) {
      expect(await retention.findLockedUntil(key)).toBeUndefined()
      await expect(retention.extendLock(key, inDays(2))).rejects.toMatchObject({ code: 'storage-not-found' })
    }
  })

  test('the server’s own clock is told once it has answered', async () => {
    const { storage, retention } = await open('locked', 'compliance')
    proxy.plan = () => ({
      change: answer => ({ ...answer, headers: { ...answer.headers, date: inDays(5).toUTCString() } }),
    })
    await storage.find('config')
    expect(Math.abs(retention.now().getTime() - inDays(5).getTime())).toBeLessThan(60_000)
  })

  test('tells what a bucket can do', async () => {
    expect(await (await open('locked')).retention.readBucket()).toEqual({ keepsVersions: true, locksObjects: true })
    expect(await (await open('plain')).retention.readBucket()).toEqual({ keepsVersions: false, locksObjects: false })
    proxy.plan = () => ({ answer: { status: 403, body: xml('AccessDenied', 'Access Denied') } })
    expect(await (await open('plain')).retention.readBucket()).toEqual({
      keepsVersions: undefined,
      locksObjects: undefined,
    })
  })

  test.each([
    ['locked', 'compliance', true, 'refused'],
    ['locked', 'governance', true, 'ended'],
    ['locked', 'compliance', false, 'destroyed'],
    ['plain', undefined, false, 'destroyed'],
    ['plain', 'compliance', true, 'not-stored'],
  ] as const)(
    'an empty object in a bucket that is %s, mode %s, locked %s: %s',
    async (bucket, mode, isLocked, came) => {
      const { storage, retention } = await open(bucket, mode)
      expect(await retention.tryToDestroy('data/canary', isLocked)).toBe(came)
      // This server stores what it refuses to lock.
      if (came !== 'not-stored') expect(await storage.find('data/canary')).toBeUndefined()
    },
  )

  test('a bucket without locks says what to do when locks are asked for', async () => {
    const { storage } = await open('plain', 'compliance')
    await expect(storage.save('data/x', Buffer.from('x'), { lockedUntil: inDays(2) })).rejects.toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('Make a bucket with object lock'),
    })
  })

  test.each([
    [403, 'ObjectLockedByBucketPolicy', 'The object is locked by a bucket lock rule'],
    [400, 'InvalidRequest', 'Object is WORM protected and cannot be overwritten'],
    [403, 'AccessDenied', 'Access Denied because object protected by object lock.'],
  ])('a removal that %i %s refuses is told as a lock, with its end', async (status, code, message) => {
    const { storage } = await open('locked', 'compliance')
    await storage.save('data/four', Buffer.from('x'), { lockedUntil: inDays(2) })
    proxy.plan = ({ method }) => (method === 'DELETE' ? { answer: { status, body: xml(code, message) } } : undefined)
    const error = await storage.remove('data/four').catch((thrown: unknown) => thrown as AppError)
    expect(error).toMatchObject({ code: 'storage-locked' })
    expect(error && untilOf(error)).toEqual(inDays(2))
  })

  test('a key that may not delete is told apart from a lock, and what needs it is named', async () => {
    const { storage } = await open('locked')
    proxy.plan = () => ({ answer: { status: 403, body: xml('AccessDenied', 'Access Denied') } })
    await expect(storage.remove('snapshots/x')).rejects.toMatchObject({
      code: 'storage-denied',
      hint: expect.stringContaining('s3:DeleteObject'),
    })
  })
})

test('a bucket of R2 is told the rules that are to be set, and where none may be', () => {
  const advice = lockAdvice(parseS3Url('s3:https://account.r2.cloudflarestorage.com/bucket/shop')).join('\n')
  for (const folder of ['config', 'data/', 'index/', 'keys/', 'logs/', 'snapshots/']) {
    expect(advice).toContain(`shop/${folder}`)
  }
  expect(advice).toMatch(/none for shop\/locks\/, shop\/logs-unfinished\/ and shop\/pins\//)
})
