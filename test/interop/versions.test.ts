import { expect, onTestFinished, test } from 'vitest'
import { collect } from '../../src/base/collect.ts'
import type { Storage, StorageHistory } from '../../src/storage/storage.ts'
import { describeWithGcs, startGcsServer } from '../helpers/gcs-server.ts'
import { describeWithS3, startS3Server } from '../helpers/s3-server.ts'
import { openTestS3 } from '../helpers/s3-storage.ts'
import { openVersionedGcs } from '../helpers/versioned-storages.ts'

// By order and content alone: the times of old versions are wrong on versitygw.

async function expectVersions(storage: Storage): Promise<void> {
  onTestFinished(() => storage.close())
  await storage.save('config', Buffer.from('one'))
  await storage.save('config', Buffer.from('two!'))
  await storage.save('keys/a', Buffer.from('key'))
  await storage.remove('keys/a')
  const history = storage.history as StorageHistory
  const versions = await collect(history.list(''))
  expect(versions.map(({ key, sizeBytes, removed }) => [key, sizeBytes, removed])).toEqual([
    ['config', 4, false],
    ['config', 3, false],
    ['keys/a', 0, true],
    ['keys/a', 3, false],
  ])
  const load = async (at: number): Promise<string> => {
    const [version] = versions.slice(at)
    if (version === undefined) throw new Error('there is no such version')
    return (await history.load(version, { range: { offset: 1, length: 2 } })).toString()
  }
  expect([await load(0), await load(1), await load(3)]).toEqual(['wo', 'ne', 'ey'])
}

describeWithS3('a real S3 server that keeps versions', () => {
  test('tells of them newest first, and gives each back', async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    await server.createBucket('kept', { locks: true })
    await expectVersions(await openTestS3(`s3:${server.origin}/kept/shop`))
  })
})

describeWithGcs('a real server of Google Cloud Storage that keeps versions', () => {
  test('tells of them newest first, and gives each back', async () => {
    const server = await startGcsServer()
    onTestFinished(() => server.close())
    await server.createBucket('kept', { versions: true })
    await expectVersions(await openVersionedGcs(`http://127.0.0.1:${server.port}`))
  })
})
