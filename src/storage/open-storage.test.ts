import { expect, test } from 'vitest'
import { z } from 'zod'
import { MemoryStorage } from '../../test/helpers/memory-storage.ts'
import type { AdapterContext, SecretReference } from '../base/adapter-context.ts'
import { systemClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { systemRandom } from '../base/random.ts'
import { Secret } from '../base/secret.ts'
import { NO_ACCESS_NEEDED } from '../model/storage-access.ts'
import { openStorage } from './open-storage.ts'
import { RetryingStorage } from './retrying-storage.ts'
import { defineStorage } from './storage.ts'

const context: AdapterContext = {
  baseDir: '/app',
  environment: { REGION: 'auto' },
  loadSecret: async (what: string, reference: SecretReference) => new Secret(`${what} of ${JSON.stringify(reference)}`),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
}

const far = (retryMs: number, opened: unknown[]) =>
  defineStorage<unknown>({
    access: () => NO_ACCESS_NEEDED,
    kind: 'far',
    summary: 'A server that is far away',
    forms: ['far:NAME'],
    matches: url => url.startsWith('far:'),
    options: z.unknown(),
    folderOf: () => undefined,
    load: async () => async (url, options, given) => {
      const secret = await given.loadSecret('access key', { env: 'KEY' })
      opened.push(url, options, given.environment['REGION'], secret.reveal())
      return new MemoryStorage(url, undefined, { retryMs })
    },
  })

test('options, environment and secrets reach the adapter', async () => {
  const opened: unknown[] = []
  await openStorage(far(0, opened), 'far:x', { options: { region: 'eu' }, context })
  expect(opened).toEqual(['far:x', { region: 'eu' }, 'auto', 'access key of {"env":"KEY"}'])
})

test('tries again only where the traits say that it is worth it', async () => {
  expect(await openStorage(far(0, []), 'far:x', { options: {}, context })).not.toBeInstanceOf(RetryingStorage)
  expect(await openStorage(far(60_000, []), 'far:x', { options: {}, context })).toBeInstanceOf(RetryingStorage)
})
