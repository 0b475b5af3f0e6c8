import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { allDone, forEachLimit, Semaphore } from './concurrency.ts'

describe('forEachLimit', () => {
  test('does all, never more than the limit at once', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    await forEachLimit([1, 2, 3, 4, 5, 6, 7], 3, async item => {
      most = Math.max(most, ++running)
      await setImmediate()
      running--
      done.push(item)
    })
    expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(most).toBe(3)
  })

  test('after a failure of the work it starts no more, and waits for what is under way', async () => {
    const started: number[] = []
    let ended = 0
    const working = forEachLimit([1, 2, 3, 4, 5], 2, async item => {
      started.push(item)
      await setImmediate()
      if (item === 1) throw new Error('first')
      await setImmediate()
      ended++
    })
    await expect(working).rejects.toThrow('first')
    expect(started).toEqual([1, 2])
    expect(ended).toBe(1)
  })

  test('after a failure of the items it waits for what is under way', async () => {
    let ended = 0
    function* items(): Generator<number> {
      yield 1
      yield 2
      throw new Error('no more')
    }
    const working = forEachLimit(items(), 5, async () => {
      await setImmediate()
      await setImmediate()
      ended++
    })
    await expect(working).rejects.toThrow('no more')
    expect(ended).toBe(2)
  })
})

test('a semaphore serves in order, and gives its place back after a failure', async () => {
  const semaphore = new Semaphore(1)
  const order: number[] = []
  const first = semaphore.run(async () => {
    await setImmediate()
    order.push(1)
    throw new Error('failed')
  })
  const second = semaphore.run(async () => order.push(2))
  await expect(first).rejects.toThrow('failed')
  await second
  expect(order).toEqual([1, 2])
})

test('of several tasks the first failure in their order is thrown, when all have ended', async () => {
  const late = Promise.withResolvers<number>()
  const ended: string[] = []
  const slow = late.promise.then(() => {
    ended.push('slow')
    throw new Error('slow')
  })
  const all = allDone(slow, Promise.reject(new Error('quick')), Promise.resolve('c'))
  void setImmediate().then(() => late.resolve(1))
  await expect(all).rejects.toThrow('slow')
  expect(ended).toEqual(['slow'])
  expect(await allDone(Promise.resolve(1), Promise.resolve('b'))).toEqual([1, 'b'])
})
