import { expect, test } from 'vitest'
import { testStorageContract } from '../../../test/contracts/storage-contract.ts'
import { FaultyStorage } from '../../../test/helpers/faulty-storage.ts'
import { MemoryStorage, openMemoryStorage } from './memory-storage.ts'

testStorageContract('memory', { open: async () => new MemoryStorage(), reopen: async storage => storage })

testStorageContract('faulty without faults', {
  open: async () => new FaultyStorage(new MemoryStorage()),
  reopen: async storage => storage,
})

test('a name is one store, no name a new one each time', async () => {
  await openMemoryStorage('memory:memory-storage-test').save('config', Buffer.from('x'))
  expect(await openMemoryStorage('memory:memory-storage-test').find('config')).toBeDefined()
  await openMemoryStorage('memory:').save('config', Buffer.from('x'))
  expect(await openMemoryStorage('memory:').find('config')).toBeUndefined()
})
