import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { AppError } from '../../base/errors.ts'
import { type Owner, processStart, thisProcess } from '../../base/process-life.ts'
import type { Catalog } from '../../catalog/catalog.ts'
import { openSqliteCatalog } from '../../catalog/sqlite/sqlite-catalog.ts'
import { UnfailingCatalog } from '../../catalog/unfailing.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { cancelRun, getRun, listRuns } from './runs.ts'

let catalog: Catalog
let workspace: Workspace
let child: ChildProcess | undefined
let minute = 0
beforeEach(async () => {
  catalog = await openSqliteCatalog(makeTempDir(), () => {})
  workspace = { catalog } as unknown as Workspace
})
afterEach(async () => {
  child?.kill('SIGKILL')
  await catalog.close()
})

const begin = (id: string, owner: Owner): Promise<void> =>
  catalog.beginRun({ id, operation: 'backup', startedAt: new Date(60_000 * minute++), owner })
const end = (id: string): Promise<void> =>
  catalog.endRun(id, { outcome: 'done', finishedAt: new Date(60_000 * minute), findings: [] })

async function startChild(): Promise<Owner> {
  child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log(1)'], { stdio: 'pipe' })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  const pid = child.pid ?? 0
  return { ...thisProcess(), pid, start: processStart(pid) }
}

test('says that a catalog that cannot be used has no list', async () => {
  const unusable: Catalog = new UnfailingCatalog(
    () => Promise.reject(new AppError('unsupported', 'of another version')),
    () => {},
  )
  await expect(
    listRuns({ ...workspace, catalog: unusable, stateFolder: async () => makeTempDir() }, { limit: 1 }),
  ).rejects.toThrow('cannot be listed')
})

test('tells running, killed, ended and unseen runs apart, oldest first', async () => {
  const owner = await startChild()
  await begin('a1', owner)
  await begin('b1', thisProcess())
  await begin('c1', { ...owner, hostname: 'elsewhere' })
  await begin('d1', owner)
  await end('d1')
  const states = async () => (await listRuns(workspace, { limit: 9 })).map(({ id, state }) => `${id} ${state}`)
  expect(await states()).toEqual(['a1 running', 'b1 running', 'c1 unknown', 'd1 done'])
  child?.kill('SIGKILL')
  await once(child as ChildProcess, 'exit')
  expect(await states()).toEqual(['a1 killed', 'b1 running', 'c1 unknown', 'd1 done'])
})

test('cancel ends the process of a running run, and refuses any other', async () => {
  await begin('a1', await startChild())
  await begin('a2', { hostname: 'elsewhere', pid: 7, start: 'x' })
  await begin('b1', thisProcess())
  await end('b1')
  await expect(cancelRun(workspace, 'a')).rejects.toMatchObject({ code: 'ambiguous-id' })
  await expect(cancelRun(workspace, 'a2')).rejects.toMatchObject({
    code: 'unsupported',
    hint: expect.stringMatching('on the machine'),
  })
  await expect(cancelRun(workspace, 'b1')).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching('not running: done'),
  })
  await expect(getRun(workspace, '')).rejects.toMatchObject({ code: 'not-found' })
  const exit = once(child as ChildProcess, 'exit')
  await cancelRun(workspace, 'a1')
  expect(await exit).toEqual([null, 'SIGINT'])
})
