import { expect, test } from 'vitest'
import { RecycledMemory } from './recycled-memory.ts'

test('gives the same memory again, and no more of it than it is to keep', () => {
  const memory = new RecycledMemory(1)
  const [first, second] = [memory.take(100), memory.take(100)]
  expect(first.buffer).not.toBe(second.buffer)
  memory.give(first.subarray(0, 10))
  memory.give(second.subarray(0, 10))
  expect(memory.take(100).buffer).toBe(second.buffer)
  expect(memory.take(100).buffer).not.toBe(first.buffer)
})

test('never takes memory that small buffers share', () => {
  const memory = new RecycledMemory(4)
  const [loaded, other] = [Buffer.from('loaded by a storage'), Buffer.from('a key')]
  expect(loaded.buffer).toBe(other.buffer)
  memory.give(loaded)
  memory.take(10).fill(0)
  expect(other.toString()).toBe('a key')
})
