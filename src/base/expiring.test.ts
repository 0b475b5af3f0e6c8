import { expect, test } from 'vitest'
import { Expiring } from './expiring.ts'

test('it is asked for once, anew before their end, and kept while that fails', async () => {
  let now = 0
  let asked = 0
  let isDown = false
  const cached = new Expiring(
    async () => {
      asked++
      if (isDown) throw new Error('down')
      return { value: asked, expiresAt: new Date(now + 3_600_000) }
    },
    { now: () => new Date(now) },
  )
  const ids = async (): Promise<number[]> => (await Promise.all([cached.get(), cached.get()])).map(({ value }) => value)
  expect(await ids()).toEqual([1, 1])
  now = 56 * 60_000
  expect(await ids()).toEqual([2, 2])
  now += 56 * 60_000
  isDown = true
  expect(await ids()).toEqual([2, 2])
  now += 10 * 60_000
  await expect(cached.get()).rejects.toThrow('down')
  isDown = false
  await cached.get()
  expect(cached.renew()).toBe(true)
  const before = asked
  await cached.get()
  expect(asked).toBe(before + 1)
})

test('what does not expire is not asked for again', async () => {
  const fixed = new Expiring(async () => ({ expiresAt: undefined }), { now: () => new Date() })
  await fixed.get()
  expect(fixed.renew()).toBe(false)
})
