import { expect, test } from 'vitest'
import type { Config } from '../config/load.ts'
import { asOfWhich, foundAsOf } from './as-of.ts'

const TIME = new Date('2026-11-30T03:00:00Z')
const configOf = (...names: readonly string[]): Config =>
  ({ repositories: new Map(names.map(name => [name, {}])) }) as unknown as Config

test.each([
  ['the one that is named', ['main', 'offsite'], 'offsite', 'offsite'],
  ['the only one there is', ['main'], undefined, 'main'],
] as const)('the repository that is opened as it was is %s', (_, names, named, meant) => {
  expect(asOfWhich(configOf(...names), named, TIME)).toEqual({ repository: meant, time: TIME })
})

test('which repository is opened as it was has to be said where there are several', () => {
  expect(() => asOfWhich(configOf('main', 'offsite'), undefined, TIME)).toThrow(
    expect.objectContaining({ code: 'usage', hint: expect.stringContaining('--repo') }),
  )
})

test('a moment that had to be moved out of a prune is said to be', () => {
  expect(foundAsOf('main', { at: TIME, before: undefined })).toMatchObject({ severity: 'info', code: 'as-of' })
  const run = { from: new Date('2026-11-30T03:00:01Z'), to: new Date('2026-11-30T03:05:00Z') }
  expect(foundAsOf('main', { at: TIME, before: run })).toMatchObject({
    severity: 'warning',
    code: 'as-of-moved',
    message: expect.stringContaining('data was being deleted'),
  })
})
