import { describe, expect, it } from 'vitest'
import { clusterOptions, isOwnDatabase, isOwnDataDirectory, postgresOptions, postgresOptionsAt } from './options.ts'

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
  ])('of %s at %s: %s', (url, place, expected) => {
    expect(isOwnDatabase(place, own({ url }))).toBe(expected)
  })

  it('is all that is captured', () => {
    const several = own({ url: 'postgres://db/shop', databases: ['a', 'b'] })
    expect(isOwnDatabase('postgres:///b', several)).toBe(true)
    expect(isOwnDatabase('postgres:///shop', several)).toBe(false)
    expect(isOwnDatabase('postgres:///x', own({ url: 'postgres://db', databases: 'all' }))).toBe(true)
  })

  it('is the data directory of a cluster', async () => {
    const cluster = clusterOptions.parse({ dataDirectory: './data' })
    expect(await isOwnDataDirectory('/srv/data', cluster, base)).toBe(true)
    expect(await isOwnDataDirectory('/srv/copy', cluster, base)).toBe(false)
    expect(await isOwnDataDirectory('postgres:///shop', cluster, base)).toBe(false)
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
