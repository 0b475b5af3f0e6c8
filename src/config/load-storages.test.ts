import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { NO_ACCESS_NEEDED } from '../model/storage-access.ts'
import { parseConfig } from './load.ts'

const kinds = [{ kind: 'files', answers: 'files' as const, summary: 'a folder', options: z.object({}) }]

describe('storages', () => {
  const far = {
    kind: 'far',
    summary: 'far away',
    forms: ['far:NAME'],
    matches: (url: string) => url.startsWith('far:'),
    options: z.strictObject({ region: z.enum(['eu', 'us']).default('eu') }),
    folderOf: () => undefined,
    access: () => NO_ACCESS_NEEDED,
    load: async () => {
      throw new Error('not here')
    },
  }
  const parseWith = (repository: string) =>
    parseConfig(`repositories:\n  main: { passwordEnv: P, ${repository} }\n`, '/app/lifeboat.yaml', {
      environment: {},
      kinds,
      storages: [far],
    })

  test('settings of a storage are those of its adapter', () => {
    expect(parseWith('url: "far:x"').repositories.get('main')?.storage).toEqual({ region: 'eu' })
    expect(parseWith('url: "far:x", storage: { region: us }').repositories.get('main')?.storage).toEqual({
      region: 'us',
    })
    expect(() => parseWith('url: "far:x", storage: { region: moon }')).toThrow(/:2:.*main\.storage\.region.*eu, us/)
    expect(() => parseWith('url: "far:x", storage: { colour: red }')).toThrow(/:2:.*main\.storage.*colour/)
  })

  test('a url that no storage knows is told with its line', () => {
    expect(() => parseWith('url: "gopher:x"')).toThrow(
      /:2:.*main\.url.*far:NAME; no storage for the repository url gopher:/,
    )
  })

  test('memory is for tests', () => {
    const text = 'repositories:\n  main: { passwordEnv: P, url: "memory:x" }\n'
    expect(() => parseConfig(text, '/app/lifeboat.yaml', { environment: {}, kinds })).toThrow(
      /main\.url.*memory: is gone when the process ends/,
    )
  })

  test('a limit has rates with units, and hours; there may be several', () => {
    const limitOf = (limit: string) => parseWith(`url: "far:x", limit: ${limit}`).repositories.get('main')?.limit
    expect(limitOf('{ up: 500K, down: 20MB/s }')).toEqual([{ up: 512_000, down: 20_000_000 }])
    expect(limitOf('[{ up: 1MB/s, hours: "22:00-06:00" }, { up: 8Mbit/s }]')).toEqual([
      { up: 1_000_000, hours: { from: 1320, to: 360 } },
      { up: 1_000_000 },
    ])
  })

  test.each([
    ['{ up: fast }', /a rate with its unit, at least 1 KiB\/s/],
    ['{ up: 500 }', /a rate with its unit/],
    ['{ up: 1MB/s, hours: "22-6" }', /hours of the day like "22:00-06:00"/],
    ['{ hours: "22:00-06:00" }', /"up", "down" or both/],
    ['[]', /./],
    ['{ upload: 1MB/s }', /upload/],
  ])('the limit %s is refused', (limit, why) => {
    expect(() => parseWith(`url: "far:x", limit: ${limit}`)).toThrow(why)
  })
})
