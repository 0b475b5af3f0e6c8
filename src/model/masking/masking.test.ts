import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isIban, passesLuhn } from './checksums.ts'
import type { Extent } from './invented.ts'
import { MaskKey } from './mask-key.ts'
import { createMasker, type Masker } from './maskers.ts'
import { DERIVED_KINDS, type DerivedKind } from './rules.ts'

const masker = (kind: DerivedKind, extent: Partial<Extent> = {}, seed = 'seed'): Masker =>
  createMasker(seed, { kind, domain: kind, extent: { unique: false, caseInsensitive: false, ...extent } })

const unicode = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...Array.from('abXY019 .-@é大한Жñ')),
    fc.string({ unit: 'grapheme', maxLength: 1, minLength: 1 }),
  ),
})

/** Letters of one kind as `a` or `A`, digits as `9`. */
const shape = (text: string): string =>
  text
    .replace(/\p{Lu}/gu, 'A')
    .replace(/\p{Ll}/gu, 'a')
    .replace(/\p{Nd}/gu, '9')
    .replace(/\p{Lo}/gu, 'o')
    .replace(/\p{Lm}/gu, 'm')
    .replace(/\p{Lt}/gu, 't')
    .replace(/\p{Nl}/gu, 'l')
    .replace(/\p{No}/gu, 'n')

describe('a mask key', () => {
  it('is HMAC-SHA-256', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ unit: 'binary', maxLength: 5000 }), (seed, value) => {
        const expected = createHmac('sha256', seed).update(`d\0${value}`).digest()
        expect(new MaskKey(seed).digest('d', value).equals(expected)).toBe(true)
        expect(new MaskKey(seed).digest('d', Buffer.from(value)).equals(expected)).toBe(true)
      }),
    )
  })
})

describe('a masker', () => {
  it('gives the same for the same value and seed, another for another seed', () => {
    for (const kind of DERIVED_KINDS) {
      const value = 'Ada.Lovelace@example.org 1815'
      expect(masker(kind).text(value)).toBe(masker(kind).text(value))
      expect(masker(kind).text(value)).not.toBe(masker(kind, {}, 'other').text(value))
      expect(masker(kind).text(value)).not.toContain('Lovelace')
    }
  })

  it('never makes two values one, where it keeps the form', () => {
    for (const kind of ['format', 'text', 'phone'] as const) {
      const { text } = masker(kind)
      fc.assert(
        fc.property(unicode, unicode, (a, b) => {
          if (a !== b) expect(text(a)).not.toBe(text(b))
        }),
      )
    }
  })

  it('is a permutation of the short values too, of which there are few', () => {
    for (const kind of ['format', 'text'] as const) {
      const { text } = masker(kind)
      const all = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'))
      expect(new Set(all.map(text)).size).toBe(1000)
    }
    const { integer } = masker('hash')
    const numbers = Array.from({ length: 8000 }, (_, i) => BigInt(i - 4000))
    expect(new Set(numbers.map(integer)).size).toBe(8000)
  })

  it('invents what does not collide among many, where a column is unique', () => {
    for (const kind of ['hash', 'email', 'name'] as const) {
      const { text } = masker(kind, { unique: true })
      const values = Array.from({ length: 30_000 }, (_, i) => `person ${i}`)
      expect(new Set(values.map(text)).size).toBe(30_000)
    }
  })

  it('keeps length, case, script and punctuation as a format', () => {
    const { text } = masker('format')
    fc.assert(
      fc.property(unicode, value => {
        expect(shape(text(value))).toBe(shape(value))
        expect(Array.from(text(value))).toHaveLength(Array.from(value).length)
      }),
    )
    expect(text('AB-12 cd')).toMatch(/^[A-Z]{2}-\d{2} [a-z]{2}$/)
    expect(text('王小明')).toMatch(/^\p{Script=Han}{3}$/u)
  })

  it('keeps what a value means: dates, cards, accounts, identifiers, addresses', () => {
    const { text } = masker('format')
    fc.assert(
      fc.property(fc.date({ min: new Date('1900-01-01'), max: new Date('2100-12-31'), noInvalidDate: true }), date => {
        const day = text(date.toISOString().slice(0, 10))
        expect(new Date(day).toISOString().slice(0, 10)).toBe(day)
        expect(day.slice(0, 4)).toBe(date.toISOString().slice(0, 4))
        const moment = text(date.toISOString())
        expect(new Date(moment).toISOString()).toBe(moment)
      }),
    )
    expect(text('2024-02-29 10:30:00.25+02')).toMatch(/^2024-\d\d-\d\d \d\d:\d\d:\d\d\.\d\d\+02$/)
    expect(passesLuhn(text('4111 1111 1111 1111').replaceAll(' ', ''))).toBe(true)
    expect(passesLuhn(text('4111111111111112'))).toBe(false)
    expect(text('DE89 3704 0044 0532 0130 00')).toMatch(/^DE\d\d( \d{4}){4} \d\d$/)
    expect(isIban(text('DE89370400440532013000'))).toBe(true)
    expect(text('550e8400-e29b-41d4-a716-446655440000')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-/)
    expect(text('192.168.7.255')).toMatch(/^(\d{1,3}\.){3}\d{1,3}$/)
    const days = Array.from({ length: 366 }, (_, i) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10))
    expect(new Set(days.map(text)).size).toBe(366)
  })

  it('keeps numbers within the type that held them, with their sign and digits', () => {
    const { integer, decimal } = masker('format')
    const bits = (value: bigint): number => [16, 32, 64].find(size => BigInt.asIntN(size, value) === value) ?? 0
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n) + 1n, max: 2n ** 63n - 1n }), value => {
        const masked = integer(value)
        expect(bits(masked)).toBe(bits(value))
        expect(String(masked)).toHaveLength(String(value).length)
      }),
    )
    for (const value of [32_767n, 32_768n, 2_147_483_647n, 2_147_483_648n])
      expect(bits(integer(value))).toBe(bits(value))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 9 }), fc.integer({ min: 1, max: 999 }), (whole, part) => {
        const value = `${whole}.${part}`
        expect(decimal(value)).toMatch(
          new RegExp(`^[1-9]\\d{${String(whole).length - 1}}\\.\\d{${String(part).length}}$`),
        )
      }),
    )
    expect(decimal('NaN')).toBe('NaN')
    expect(decimal('0.50')).toMatch(/^0\.\d0$/)
  })

  it('takes upper and lower case for one where the column does', () => {
    for (const kind of DERIVED_KINDS) {
      const { text } = masker(kind, { caseInsensitive: true })
      expect(text('ADA@Example.org').toLowerCase()).toBe(text('ada@example.org').toLowerCase())
    }
  })

  it('writes no longer than the column takes', () => {
    for (const kind of ['hash', 'email', 'name'] as const) {
      const { text } = masker(kind, { unique: true, maxChars: 20 })
      expect(text('somebody else entirely').length).toBeLessThanOrEqual(20)
    }
    expect(masker('phone', { maxChars: 16 }).text('+49 30 123 456-78')).toMatch(/^\+999\d{12}$/)
  })

  it('gives addresses and numbers that nobody has', () => {
    expect(masker('email').text('ada@lovelace.org')).toMatch(/^u[0-9a-f]{16}@example\.com$/)
    expect(masker('phone').text('+49 30 1234')).toMatch(/^\+999\d\d \d\d \d{4}$/)
    expect(masker('phone').integer(4_930_123_456n)).toBeGreaterThan(9_990_000_000_000n)
  })

  it('masks bytes by as many others', () => {
    const { bytes } = masker('format')
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(bytes(a)).toHaveLength(a.length)
        if (Buffer.compare(a, b) !== 0) expect(Buffer.compare(bytes(a), bytes(b))).not.toBe(0)
      }),
    )
    expect(masker('hash').bytes(Buffer.from('x'))).toHaveLength(32)
  })
})
