import { expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Catalog, Run } from './catalog.ts'
import { UnfailingCatalog } from './unfailing.ts'

const run: Run = {
  id: 'r',
  operation: 'backup',
  startedAt: new Date(0),
  finishedAt: new Date(0),
  outcome: 'done',
  statistics: {},
  findings: [],
}

test.each([
  ['can’t be opened', () => Promise.reject(new AppError('failed', 'the disk is full'))],
  ['can’t be written', async () => failing],
])('one that %s is told of once and stops nothing', async (_what, open) => {
  const findings: Finding[] = []
  const catalog = new UnfailingCatalog(open, finding => findings.push(finding))
  await catalog.saveRun(run)
  await catalog.saveProofs('r', ['s'], 'checked', new Date())
  expect([await catalog.listRuns({ limit: 1 }), (await catalog.listProofs('r')).size]).toEqual([[], 0])
  await catalog.close()
  expect(findings.map(({ code, message }) => [code, message])).toEqual([['catalog-unusable', 'the disk is full']])
})

test('a bug is not hidden', async () => {
  const catalog = new UnfailingCatalog(
    async () => ({ ...failing, saveRun: () => Promise.reject(new TypeError('x')) }),
    () => {},
  )
  await expect(catalog.saveRun(run)).rejects.toThrow(TypeError)
})

const fail = () => Promise.reject(new AppError('failed', 'the disk is full'))
const failing: Catalog = {
  saveRun: fail,
  listRuns: fail,
  saveProofs: fail,
  saveFailedProofs: fail,
  listProofs: fail,
  close: async () => {},
}
