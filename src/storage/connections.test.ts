import { expect, test } from 'vitest'
import { adapterContext } from '../../test/helpers/adapter-context.ts'
import { findStorage } from './registry.ts'

const ENVIRONMENT = {
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'planted-secret',
  AZURE_ACCOUNT_NAME: 'account',
  AZURE_ACCOUNT_KEY: 'a2V5',
  STORAGE_EMULATOR_HOST: '127.0.0.1:1',
}

test.each([
  ['s3:http://127.0.0.1:1/bucket', { concurrency: 3, saves: 2 }, { concurrency: 1, saves: 1 }],
  ['azure:container:/', { concurrency: 3, saves: 2 }, { concurrency: 1, saves: 1 }],
  ['gs:bucket:/', { concurrency: 3, saves: 2 }, { concurrency: 1, saves: 1 }],
  ['rest:http://127.0.0.1:1/', { concurrency: 3, saves: 3 }, { concurrency: 1, saves: 1 }],
  ['sftp:host:/folder', { concurrency: 6, saves: 3 }, { concurrency: 2, saves: 1 }],
])('%s makes as many calls at once as it is told', async (url, ofThree, ofOne) => {
  const definition = findStorage(url)
  const traitsWith = async (options: object) => {
    const storage = await (await definition.load())(url, definition.options.parse(options), adapterContext(ENVIRONMENT))
    await storage.close()
    return storage.traits
  }
  expect(await traitsWith({ connections: 3 })).toMatchObject(ofThree)
  expect(await traitsWith({ connections: 1 })).toMatchObject(ofOne)
  const usual = await traitsWith({})
  expect([usual.concurrency, usual.saves <= usual.concurrency]).toEqual([8, true])
  for (const connections of [0, 33, 1.5, '4']) {
    expect(definition.options.safeParse({ connections }).error?.issues[0]?.message).toMatch(
      /a whole number from 1 to \d+/,
    )
  }
})
