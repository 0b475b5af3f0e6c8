import { testStorageContract } from '../contracts/storage-contract.ts'
import { FaultyStorage } from './faulty-storage.ts'
import { MemoryStorage } from './memory-storage.ts'

const contractOf = (name: string, open: () => FaultyStorage | MemoryStorage): void =>
  testStorageContract(name, { open: async () => open(), reopen: async storage => storage })

contractOf('memory', () => new MemoryStorage())
contractOf('faulty without faults', () => new FaultyStorage(new MemoryStorage()))
contractOf(
  'a server that takes restic’s keys only and overwrites nothing',
  () => new MemoryStorage('memory:', undefined, { keys: 'restic', overwrites: false }),
)
