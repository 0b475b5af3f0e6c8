import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { openSqliteCatalog } from '../../catalog/sqlite/sqlite-catalog.ts'
import { labelsToTags, SAFETY_TAG } from '../../model/recovery-point.ts'
import type { Report } from '../../model/report.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import { keepReport } from '../report/report-store.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { rebuildFromReports, rebuildFromSnapshots } from './rebuild.ts'

let folder: string
let catalog: Catalog
let workspace: Workspace
beforeEach(async () => {
  folder = makeTempDir()
  catalog = await openSqliteCatalog(folder, () => {})
  const stateFolder = async (name = ''): Promise<string> => join(folder, name)
  workspace = { catalog, stateFolder, host: { hostname: 'here' } } as unknown as Workspace
})
afterEach(() => catalog.close())

const report = (run: string, minute: number, more: Partial<Report> = {}): Report => ({
  title: 'restore of app',
  outcome: 'done',
  run,
  about: { operation: 'restore', source: 'app', repository: 'main', snapshot: 'f0' },
  startedAt: new Date(60_000 * minute),
  durationMs: 5000,
  facts: [],
  steps: [],
  checks: [],
  tables: [],
  findings: [],
  next: [],
  ...more,
})

const runs = async (): Promise<string[]> => {
  const all = await catalog.listRuns({ limit: 99 })
  return all.map(({ id, operation, end, attempts }) => `${id} ${operation} ${end?.outcome} ${attempts.length}`)
}

test('a catalog that was lost gets back what was reported, once, and no plans', async () => {
  const reports = join(folder, 'reports')
  await keepReport(reports, report('a', 1))
  await keepReport(reports, report('b', 2, { outcome: 'rolled-back' }))
  await keepReport(reports, report('c', 3, { outcome: 'planned' }))
  await rebuildFromReports(workspace)
  expect(await runs()).toEqual(['b restore failed 1', 'a restore done 1'])
  await keepReport(reports, report('d', 4))
  await rebuildFromReports(workspace)
  expect(await runs()).toHaveLength(2)
})

test('and the backups that a repository holds of this host, each run with all its attempts', async () => {
  const snapshot = (id: string, run: string, minute: number, more: Partial<Snapshot> = {}): Snapshot => ({
    id,
    tree: 'e0',
    paths: ['/'],
    username: 'user',
    time: new Date(60_000 * minute),
    hostname: 'here',
    tags: labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run }),
    ...more,
  })
  const lacking = labelsToTags({ source: 'app', kind: 'sqlite', type: 'full', run: 'r2', incomplete: 3 })
  const snapshots = [
    snapshot('a0', 'r1', 1),
    snapshot('a1', 'r2', 2, { tags: lacking }),
    snapshot('a2', 'r3', 3, { hostname: 'elsewhere' }),
    snapshot('a3', 'r4', 4, { tags: [...snapshot('', 'r4', 4).tags, SAFETY_TAG] }),
  ]
  const repository = { listSnapshots: async () => ({ snapshots, findings: [] }) } as unknown as Repository
  for (const name of ['main', 'offsite', 'main']) {
    await rebuildFromSnapshots(workspace, { source: 'app', repository: name }, repository)
  }
  expect(await runs()).toEqual(['r2 backup incomplete 2', 'r1 backup done 2'])
  const copy = { operation: 'backup', source: 'app', repository: 'offsite', limit: 9 }
  expect((await catalog.listAttempts(copy)).map(attempt => attempt.snapshot)).toEqual(['a1', 'a0'])
})
