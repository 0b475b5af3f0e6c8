import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemClock } from '../../base/clock.ts'
import { systemRandom } from '../../base/random.ts'
import { KeptObjects } from './kept-objects.ts'

const start = (maxBytes = 1000): { folder: string; objects: () => KeptObjects } => {
  const folder = join(makeTempDir(), 'cache', 'kept')
  return { folder, objects: () => new KeptObjects({ folder, random: systemRandom, clock: systemClock, maxBytes }) }
}

test('what was kept is there again for the next process, whole and by range, and private', async () => {
  const { folder, objects } = start()
  await objects().keep('one', [Buffer.from('abc'), Buffer.from('def')])
  expect(objects().load('one')?.toString()).toBe('abcdef')
  expect(objects().load('one', { offset: 2, length: 3 })?.toString()).toBe('cde')
  expect(objects().load('one', { offset: 4, length: 3 })).toBeUndefined()
  expect(objects().load('two')).toBeUndefined()
  expect([statSync(folder).mode & 0o777, statSync(join(folder, 'one')).mode & 0o777]).toEqual([0o700, 0o600])
})

test('what was not of use for a month goes, then the oldest until the rest fits', async () => {
  const { folder, objects } = start()
  const first = objects()
  await first.keep('month', [Buffer.alloc(10)])
  await first.keep('older', [Buffer.alloc(400)])
  await first.keep('newer', [Buffer.alloc(400)])
  writeFileSync(join(folder, 'half.0123.tmp'), 'left by a kill')
  const age = (name: string, days: number): void => {
    const then = Date.now() / 1000 - days * 86_400
    utimesSync(join(folder, name), then, then)
  }
  age('month', 31)
  age('older', 9)
  age('newer', 8)
  age('half.0123.tmp', 2)
  await objects().keep('newest', [Buffer.alloc(400)])
  expect(readdirSync(folder).sort()).toEqual(['newer', 'newest'])
})

test('a process that lives for long keeps no more either', async () => {
  const { folder, objects } = start()
  const kept = objects()
  for (let at = 0; at < 30; at++) {
    await kept.keep(`name-${String(at).padStart(2, '0')}`, [Buffer.alloc(150)])
    const then = Date.now() / 1000 - 100 + at
    utimesSync(join(folder, `name-${String(at).padStart(2, '0')}`), then, then)
  }
  const left = readdirSync(folder)
  expect(left).toContain('name-29')
  expect(left.length * 150).toBeLessThanOrEqual(1000 + 150 * 2)
})

test('what is read stays, however old it is', async () => {
  const { folder, objects } = start()
  await objects().keep('one', [Buffer.alloc(10)])
  const then = Date.now() / 1000 - 31 * 86_400
  utimesSync(join(folder, 'one'), then, then)
  expect(objects().load('one')).toHaveLength(10)
  await objects().keep('two', [Buffer.alloc(10)])
  expect(readdirSync(folder).sort()).toEqual(['one', 'two'])
})

test('a folder that cannot be written costs nothing but the calls that it would have saved', async () => {
  const { folder } = start()
  writeFileSync(join(folder, '../..', 'file'), '')
  const objects = new KeptObjects({
    folder: join(folder, '../..', 'file', 'kept'),
    random: systemRandom,
    clock: systemClock,
  })
  await objects.keep('one', [Buffer.alloc(10)])
  expect(objects.load('one')).toBeUndefined()
})
