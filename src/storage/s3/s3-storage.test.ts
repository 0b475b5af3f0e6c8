import { afterAll, beforeAll } from 'vitest'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { describeWithS3, type S3Server, startS3Server } from '../../../test/helpers/s3-server.ts'
import { openTestS3 } from '../../../test/helpers/s3-storage.ts'

describeWithS3('on a real server', () => {
  let server: S3Server
  let count = 0

  beforeAll(async () => {
    server = await startS3Server()
    await server.createBucket('contract')
  })
  afterAll(() => server.close())

  testStorageContract('s3', {
    open: () => openTestS3(`s3:${server.origin}/contract/store${++count}`),
    reopen: () => openTestS3(`s3:${server.origin}/contract/store${count}`),
  })
})
