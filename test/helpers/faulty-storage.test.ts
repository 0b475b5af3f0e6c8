import { expect, test } from 'vitest'
import { FaultyStorage } from './faulty-storage.ts'
import { MemoryStorage } from './memory-storage.ts'

const bytes = Buffer.from('some content')

test('fails the call it was told to, and only that', async () => {
  const storage = new FaultyStorage(new MemoryStorage(), { failCall: 2 })
  await storage.save('config', bytes)
  await expect(storage.load('config')).rejects.toMatchObject({ code: 'storage-failed' })
  expect(await storage.load('config')).toEqual(bytes)
  expect(storage.calls.map(call => call.method)).toEqual(['save', 'load', 'load'])
})

test('stops for good after so many changes', async () => {
  const storage = new FaultyStorage(new MemoryStorage(), { stopAfterChanges: 1 })
  await storage.save('a', bytes)
  await storage.find('a')
  await expect(storage.save('b', bytes)).rejects.toMatchObject({ code: 'storage-failed' })
  await expect(storage.find('a')).rejects.toMatchObject({ code: 'storage-failed' })
  expect(await storage.inner.find('b')).toBeUndefined()
})

test('cuts, flips, loses and fills up', async () => {
  const storage = new FaultyStorage(new MemoryStorage(), { cutSaves: { key: /^data/, keep: 0.5 } })
  await storage.save('data/a', bytes)
  expect(await storage.load('data/a')).toEqual(bytes.subarray(0, 6))
  storage.faults = { flipBit: { key: /^data/, bit: 8 } }
  const flipped = await storage.load('data/a')
  expect(flipped[1]).toBe((bytes[1] ?? 0) ^ 1)
  storage.faults = { loseChange: 2 }
  await expect(storage.save('b', bytes)).rejects.toMatchObject({ code: 'storage-failed' })
  expect(await storage.find('b')).toBeUndefined()
  storage.faults = { capacityBytes: 1 }
  await expect(storage.save('c', bytes)).rejects.toMatchObject({ code: 'storage-full' })
})
