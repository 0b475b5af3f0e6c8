import { expect, test } from 'vitest'
import { AppError } from '../../base/errors.ts'
import { checkPlatform } from './platform.ts'

const loads = async (): Promise<void> => {}

test('an add-on of another machine is named', async () => {
  expect(await checkPlatform(undefined)).toMatchObject([{ name: 'sodium-native', status: 'ok' }])
  const broken = await checkPlatform(undefined, async () => {
    throw new AppError('unsupported', 'cannot load the add-on sodium-native on linux x64 (musl): x', {
      hint: 'Do that.',
    })
  })
  expect(broken).toMatchObject([{ status: 'error', message: expect.stringContaining('musl'), hint: 'Do that.' }])
})

test.each([
  ['Europe/Berlin', 'ok'],
  [':UTC', 'ok'],
  ['Mars/Base', 'warning'],
  ['Berlin', 'warning'],
])('TZ=%s: %s', async (zone, status) => {
  expect((await checkPlatform(zone, loads))[1]).toMatchObject({ name: 'TZ', status })
})
