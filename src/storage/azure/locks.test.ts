import { expect, test } from 'vitest'
import { testObjectLocks } from '../../../test/contracts/object-locks-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { startAzureLocksServer } from '../../../test/helpers/azure-locks-server.ts'
import { AZURE_ACCOUNT, AZURE_KEY } from '../../../test/helpers/azure-server.ts'
import type { ObjectsServer } from '../../../test/helpers/versioned-objects.ts'
import { azure } from './index.ts'

async function open({ origin }: ObjectsServer, lock?: object) {
  const make = await azure.load()
  const environment = { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_KEY: AZURE_KEY }
  const options = azure.options.parse({ endpoint: `${origin}/${AZURE_ACCOUNT}`, lock })
  return await make('azure:backups:/shop', options, adapterContext(environment))
}

testObjectLocks({ start: () => startAzureLocksServer(), open })

test('a container without immutable versions says that it locks nothing', async () => {
  const server = await startAzureLocksServer({ isImmutable: false })
  const storage = await open(server)
  expect(await storage.retention?.readBucket()).toEqual({ keepsVersions: undefined, locksObjects: false })
  await storage.close()
  await server.close()
})
