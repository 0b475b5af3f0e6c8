import { expect, it } from 'vitest'
import { newKeepAs } from '../../beside/names.ts'
import { isStagingName, isStagingOf, keptNameOf, originalName, stagingName, stagingNameOf } from './database-names.ts'

const KEPT_AS = 'before-1a2b3c4d'
const NOW = new Date('2026-09-04T01:59:30Z')
const LONG = 'x'.repeat(62)

it('names what is replaced after the run, within 63 bytes', () => {
  expect(keptNameOf('shop', KEPT_AS)).toBe('shop_before_1a2b3c4d')
  expect(keptNameOf('My "Shop"', KEPT_AS)).toBe('My "Shop"_before_1a2b3c4d')
  for (const name of [LONG, `${LONG}a`, 'ü'.repeat(31), '👾'.repeat(15)]) {
    for (const made of [keptNameOf(name, KEPT_AS), stagingNameOf(name, KEPT_AS), keptNameOf(name, newKeepAs(NOW))]) {
      expect(Buffer.byteLength(made)).toBeLessThanOrEqual(63)
      expect(made).not.toContain('\uFFFD')
    }
  }
})

it('keeps under a name of its own whatever is replaced within one second', () => {
  const made = Array.from({ length: 3 }, () => keptNameOf('shop', newKeepAs(NOW)))
  for (const name of made) expect(name).toMatch(/^shop_before_20260904_015930_[0-9a-f]{8}$/)
  expect(new Set(made).size).toBeGreaterThan(1)
})

it('makes different names of long names with the same beginning', () => {
  expect(keptNameOf(`${LONG}a`, KEPT_AS)).not.toBe(keptNameOf(`${LONG}b`, KEPT_AS))
  expect(stagingNameOf(`${LONG}a`, KEPT_AS)).not.toBe(stagingNameOf(`${LONG}b`, KEPT_AS))
})

it('finds the name that a kept database had', () => {
  expect(originalName('shop_before_1a2b3c4d', KEPT_AS, [])).toBe('shop')
  expect(originalName('shop_before_99999999', KEPT_AS, ['shop'])).toBeUndefined()
  expect(originalName('_before_1a2b3c4d', KEPT_AS, [])).toBeUndefined()
  const long = `${LONG}a`
  expect(originalName(keptNameOf(long, KEPT_AS), KEPT_AS, ['shop', long])).toBe(long)
  expect(originalName(keptNameOf(long, KEPT_AS), KEPT_AS, ['shop'])).toBeUndefined()
})

it('tells staging databases of a target, and of a run', () => {
  const random = stagingName('shop', Buffer.from('0011aabb', 'hex'))
  expect(random).toBe('shop_lifeboat_0011aabb')
  expect(isStagingName(random, 'shop')).toBe(true)
  expect(isStagingName(random, 'sho')).toBe(false)
  expect(isStagingName('shop_lifeboat_0011aabb_x', 'shop')).toBe(false)
  expect(isStagingName(stagingNameOf(LONG, KEPT_AS), LONG)).toBe(true)
  expect(isStagingName(stagingNameOf(LONG, KEPT_AS), `${LONG}y`)).toBe(false)
  expect(isStagingOf(stagingNameOf(LONG, KEPT_AS), KEPT_AS)).toBe(true)
  expect(isStagingOf(random, KEPT_AS)).toBe(false)
})
