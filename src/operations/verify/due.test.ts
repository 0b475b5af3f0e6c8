import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { Attempt, Catalog } from '../../catalog/catalog.ts'
import { openSqliteCatalog } from '../../catalog/sqlite/sqlite-catalog.ts'
import { isVerificationDue } from './due.ts'

const COPY = { source: 'app', repository: 'main' }
let catalog: Catalog
let minute = 0

beforeEach(async () => {
  catalog = await openSqliteCatalog(makeTempDir(), () => {})
  minute = 0
})
afterEach(() => catalog.close())

const record = async (operation: string, more: Partial<Attempt> = {}): Promise<void> => {
  const startedAt = new Date(60_000 * ++minute)
  const id = `${minute}`
  const attempt = {
    operation,
    startedAt,
    finishedAt: startedAt,
    outcome: 'done',
    statistics: {},
    findings: [],
  } as const
  await catalog.beginRun({ id, operation, startedAt, owner: { hostname: 'h', pid: 1 } })
  await catalog.saveAttempt(id, { ...attempt, ...COPY, ...more })
}
const isDue = (level: 'checked' | 'restored' = 'restored', every = 3): Promise<boolean> =>
  isVerificationDue(catalog, COPY, { level, every }, new Date(60_000 * (minute + 1)))

it('is due for the first, then for one in so many', async () => {
  const due: boolean[] = []
  for (let backup = 0; backup < 7; backup++) {
    await record('backup')
    due.push(await isDue())
    if (due.at(-1) === true) await record('verify', { statistics: { restored: 1 }, outcome: 'incomplete' })
  }
  expect(due).toEqual([true, false, false, true, false, false, true])
})

it('counts only what is of the same copy, went as far and came to an end', async () => {
  await record('verify', { statistics: { restored: 1 } })
  for (const more of [{ repository: 'other' }, { source: 'docs' }, { outcome: 'failed' as const }]) {
    for (let backup = 0; backup < 3; backup++) await record('backup', more)
  }
  expect(await isDue()).toBe(false)
  for (let backup = 0; backup < 3; backup++) await record('backup')
  await record('verify', { statistics: { restored: 0 } })
  await record('verify', { statistics: { restored: 1 }, outcome: 'failed' })
  expect([await isDue(), await isDue('checked')]).toEqual([true, false])
})

it('does not count from a verification that a wrong clock put into the future', async () => {
  await record('verify', { statistics: { restored: 1 } })
  await record('verify', { statistics: { restored: 1 }, startedAt: new Date('2040-01-01T00:00:00Z') })
  for (let backup = 0; backup < 3; backup++) {
    expect(await isDue()).toBe(false)
    await record('backup')
  }
  expect(await isDue()).toBe(true)
})
