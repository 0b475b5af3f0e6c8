import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ArchivingS3, startArchivingS3 } from '../../../test/helpers/archiving-s3.ts'
import { openTestS3 } from '../../../test/helpers/s3-storage.ts'
import { collect } from '../../base/collect.ts'
import { isAppError } from '../../base/errors.ts'
import type { Storage, StoredObject } from '../storage.ts'
import { s3 } from './index.ts'

const HOUR_MS = 3_600_000
const PACK = `data/3f/3f${'a'.repeat(62)}`
const TREES = `data/41/41${'b'.repeat(62)}`

describe('a bucket whose packs of data are archived', () => {
  let service: ArchivingS3
  let storage: Storage

  beforeAll(async () => {
    service = await startArchivingS3()
    storage = await openTestS3(service.url, {
      options: { storageClass: 'DEEP_ARCHIVE', thaw: { days: 3, tier: 'Bulk' } },
    })
    await storage.save(PACK, Buffer.from('data'), { isRarelyRead: true })
    await storage.save(TREES, Buffer.from('trees'))
    await storage.save('config', Buffer.from('config'))
  })
  afterAll(async () => {
    await storage.close()
    await service.close()
  })

  const listed = async (key: string): Promise<StoredObject | undefined> =>
    (await collect(storage.list('data/'))).find(object => object.key === key)

  test('only what is rarely read goes to the archive', () => {
    const classes = new Map([...service.objects].map(([key, { storageClass }]) => [key, storageClass]))
    expect(classes).toEqual(
      new Map([
        [PACK, 'DEEP_ARCHIVE'],
        [TREES, 'STANDARD'],
        ['config', 'STANDARD'],
      ]),
    )
  })

  test('an archived object is told in listings and when looked for; reading it is refused in one sentence', async () => {
    expect(await listed(PACK)).toMatchObject({ archived: 'archived', storageClass: 'DEEP_ARCHIVE' })
    expect((await listed(TREES))?.archived).toBeUndefined()
    expect(await storage.find(PACK)).toMatchObject({ archived: 'archived' })
    const error = await storage.load(PACK).catch((thrown: unknown) => thrown)
    expect(isAppError(error, 'storage-archived') && [error.message, error.exitCode, error.isTransient]).toEqual([
      `cannot read ${PACK} from ${service.url}: it is archived, and cannot be read before it is thawed`,
      27,
      false,
    ])
  })

  test('an object that is asked for twice is on its way, then can be read', async () => {
    await storage.archive?.thaw(PACK)
    await storage.archive?.thaw(PACK)
    expect(service.restores).toEqual([{ key: PACK, days: '3', tier: 'Bulk' }])
    expect(await listed(PACK)).toMatchObject({ archived: 'thawing' })
    expect(await storage.find(PACK)).toMatchObject({ archived: 'thawing' })
    service.finishRestores()
    expect((await listed(PACK))?.archived).toBeUndefined()
    expect((await storage.find(PACK))?.archived).toBeUndefined()
    expect(String(await storage.load(PACK))).toBe('data')
  })

  test('it is known how long thawing takes, by the class in which an object lies', () => {
    expect(storage.archive?.thawMs({ storageClass: 'DEEP_ARCHIVE' })).toBe(48 * HOUR_MS)
    expect(storage.archive?.thawMs({ storageClass: 'GLACIER' })).toBe(12 * HOUR_MS)
  })

  test('a bucket with another class has nothing to thaw, and a listing still tells what lies in an archive', async () => {
    const other = await openTestS3(service.url, { options: { storageClass: 'STANDARD_IA' } })
    expect(other.archive).toBeUndefined()
    expect((await collect(other.list('data/'))).map(({ storageClass }) => storageClass)).toContain('DEEP_ARCHIVE')
    await other.close()
  })
})

describe('options', () => {
  test.each([
    [{ storageClass: 'GLACIERS' }, /Invalid option/],
    [{ storageClass: 'DEEP_ARCHIVE', thaw: { tier: 'Expedited' } }, /DEEP_ARCHIVE has: Standard or Bulk/],
    [{ thaw: { days: 0 } }, /from 1 to 365/],
    [{ encryption: 'aws:kmz' }, /AES256, aws:kms .* kmsKeyId/],
  ])('%j is refused', (options, why) => {
    expect(s3.options.safeParse(options).error?.issues[0]?.message).toMatch(why)
  })

  test.each([
    ['AES256', { 'x-amz-server-side-encryption': 'AES256' }],
    ['aws:kms', { 'x-amz-server-side-encryption': 'aws:kms' }],
    [
      { kmsKeyId: 'key-1' },
      { 'x-amz-server-side-encryption': 'aws:kms', 'x-amz-server-side-encryption-aws-kms-key-id': 'key-1' },
    ],
  ])('encryption %j goes along with each object', async (encryption, headers) => {
    const service = await startArchivingS3()
    const storage = await openTestS3(service.url, { options: { encryption } })
    await storage.save('config', Buffer.from('config'))
    expect(service.objects.get('config')?.encryption).toEqual(headers)
    await storage.close()
    await service.close()
  })
})
