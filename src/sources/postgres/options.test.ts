import { describe, expect, it } from 'vitest'
import { isOwnPostgresPlace, postgresOptions, postgresOptionsAt } from './options.ts'

const base = { baseDir: '/srv' }
const own = (options: object) => postgresOptions.parse(options)

describe('the data of a source', () => {
  it.each([
    ['postgres://app:pw@db/shop', 'postgres://app@db:5432/shop', true],
    ['postgres://app:pw@db/shop', 'postgres://other@db/shop', true],
    ['postgres://app:pw@db/shop', 'postgres:///shop', true],
    ['postgres://app:pw@db/shop', 'postgres:///shop_test', false],
    ['postgres://app:pw@db/shop', 'postgres://app@db:5433/shop', false],
    ['postgres:///shop?host=/run/pg&user=app', 'postgres://app@:5432/shop?host=/run/pg', true],
    ['postgres:///shop?host=/run/pg&user=app', 'postgres://app@:5432/shop?host=/run/other', false],
  ])('of %s at %s: %s', async (url, place, expected) => {
    expect(await isOwnPostgresPlace(place, own({ url }), base)).toBe(expected)
  })

  it('is all that is captured', async () => {
    const several = own({ url: 'postgres://db/shop', databases: ['a', 'b'] })
    expect(await isOwnPostgresPlace('postgres:///b', several, base)).toBe(true)
    expect(await isOwnPostgresPlace('postgres:///shop', several, base)).toBe(false)
    expect(await isOwnPostgresPlace('postgres:///x', own({ url: 'postgres://db', databases: 'all' }), base)).toBe(true)
  })

  it('is the data directory of a cluster', async () => {
    const cluster = own({ mode: 'physical', dataDirectory: './data' })
    expect(await isOwnPostgresPlace('/srv/data', cluster, base)).toBe(true)
    expect(await isOwnPostgresPlace('/srv/copy', cluster, base)).toBe(false)
    expect(await isOwnPostgresPlace('postgres:///shop', cluster, base)).toBe(false)
  })
})

describe('a source at a place', () => {
  it.each([
    ['postgres://app:pw@db/shop', 'postgres://app@db:5432/shop'],
    ['postgres://app:pw@/shop?host=/run/pg', 'postgres://app@:5432/shop?host=/run/pg'],
  ])('has the password of %s at %s', (url, place) => {
    expect(postgresOptionsAt(place, own({ url })).url).toBe(url)
  })

  it('keeps a password for the user and the server that it is of', () => {
    for (const place of ['postgres://app@other/shop', 'postgres://root@db/shop', 'postgres://app@db:5433/shop'])
      expect(postgresOptionsAt(place, own({ url: 'postgres://app:pw@db/shop' })).url).toBe(place)
  })
})
