import { expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Catalog, NewRun, SlotRecord } from './catalog.ts'
import { UnfailingCatalog } from './unfailing.ts'

const run: NewRun = { id: 'r', operation: 'backup', startedAt: new Date(0), owner: { hostname: 'h', pid: 1 } }

test.each([
  ['can’t be opened', () => Promise.reject(new AppError('failed', 'the disk is full'))],
  ['can’t be written', async () => failing],
])('one that %s is told of once and stops nothing', async (_what, open) => {
  const findings: Finding[] = []
  const catalog = new UnfailingCatalog(open, finding => findings.push(finding))
  expect(catalog.isUsable).toBe(true)
  await catalog.beginRun(run)
  await catalog.saveProofs('r', ['s'], 'checked', new Date())
  expect([await catalog.listRuns({ limit: 1 }), (await catalog.listProofs('r')).size]).toEqual([[], 0])
  expect(catalog.isUsable).toBe(false)
  await catalog.close()
  expect(findings.map(({ code, message }) => [code, message])).toEqual([['catalog-unusable', 'the disk is full']])
})

test('one that is not used is not opened', async () => {
  let opened = 0
  const catalog = new UnfailingCatalog(
    async () => {
      opened++
      return failing
    },
    () => {},
  )
  await catalog.close()
  expect(opened).toBe(0)
})

test('nobody is kept from acting by one that cannot be used', async () => {
  const catalog = new UnfailingCatalog(
    async () => failing,
    () => {},
  )
  const lease = { name: 'schedule', holder: 'a', until: new Date(1) }
  expect(await catalog.acquireLease(lease, new Date(0))).toEqual(lease)
  expect(await catalog.claimSlot({ job: 'backup nightly' } as SlotRecord)).toBe(true)
})

test('a bug is not hidden', async () => {
  const catalog = new UnfailingCatalog(
    async () => ({ ...failing, beginRun: () => Promise.reject(new TypeError('x')) }),
    () => {},
  )
  await expect(catalog.beginRun(run)).rejects.toThrow(TypeError)
})

const fail = () => Promise.reject(new AppError('failed', 'the disk is full'))
const failing: Catalog = {
  beginRun: fail,
  saveAttempt: fail,
  endRun: fail,
  listRuns: fail,
  listAttempts: fail,
  acquireLease: fail,
  releaseLease: fail,
  saveAlert: fail,
  listAlerts: fail,
  saveNotice: fail,
  listPendingNotices: fail,
  saveJob: fail,
  listJobs: fail,
  claimSlot: fail,
  updateSlot: fail,
  listSlots: fail,
  saveProofs: fail,
  saveFailedProofs: fail,
  listProofs: fail,
  close: async () => {},
}
