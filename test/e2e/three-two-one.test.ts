import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import type { App, BackupWish } from '../../src/lib.ts'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'
import { type BackedUpBriefly, backUpBriefly, pointsIn, storedIn, withApp } from '../helpers/several-repositories.ts'
import { PASSWORD, prepareWorkspace, readNotes, type Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  disk: { url: ./disk, passwordFile: ./password }
  third: { url: ./third, passwordFile: ./password }
sources:
  app: { kind: sqlite, path: ./app.db }
  docs: { kind: files, path: ./docs }
policies:
  nightly: { sources: [app, docs], repositories: [main, disk] }
`

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  prepared.makeDatabase(50)
  mkdirSync(prepared.docs)
  writeFileSync(join(prepared.docs, 'a.txt'), 'a')
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  for (const name of ['disk', 'third']) await cheapenKeys(prepared.path(name), PASSWORD)
})
beforeEach(() => {
  workspace = copyPrepared()
})

const here = <T>(work: (app: App) => Promise<T>): Promise<T> => withApp({ folder: workspace.dir }, work)
const backUp = (wish?: BackupWish): Promise<BackedUpBriefly> => here(app => backUpBriefly(app, wish))
const points = (repository: string): Promise<string[]> => here(app => pointsIn(app, repository))
const away = (folder: string): void => renameSync(workspace.path(folder), workspace.path(`${folder}.away`))
const back = (folder: string): void => renameSync(workspace.path(`${folder}.away`), workspace.path(folder))
const configure = (text: string): void => writeFileSync(workspace.path('lifeboat.yaml'), text)

test('several repositories hold one recovery point: the same instant, tree and tags', async () => {
  expect(await backUp()).toEqual({
    done: ['app main full', 'docs main full', 'app disk main', 'docs disk main'],
    copied: ['disk 2'],
  })
  workspace.addNotes(10)
  expect(await backUp()).toEqual({
    done: ['app main incremental', 'docs main incremental', 'app disk main', 'docs disk main'],
    copied: ['disk 2'],
  })
  const [first, other] = await here(async app => [await storedIn(app, 'main'), await storedIn(app, 'disk')])
  expect(first).toHaveLength(4)
  expect(other).toMatchObject(first.map(({ id, tree, time, tags }) => ({ original: id, tree, time, tags })))
})

test.skipIf(skipRestic)(
  'restic finds what was captured and what was copied whole, and each restores alone',
  async () => {
    const { stdout, code } = await workspace.try('backup', '--json')
    expect([code, documentedOutput('backup', stdout)]).toMatchObject([0, { copies: [{ from: 'main', to: 'disk' }] }])
    for (const folder of ['backups', 'disk'])
      await new Restic(workspace.dir, workspace.path(folder), PASSWORD).checkAll()
    rmSync(workspace.path('backups'), { recursive: true })
    await workspace.run('restore', 'app', '--to', workspace.path('out.db'))
    expect(readNotes(workspace.path('out.db'))).toEqual(readNotes(workspace.database))
  },
)

test('one that was away gets what it missed with the next backup, and the run says that it fell behind: 3', async () => {
  await backUp()
  away('disk')
  const { code, stdout, stderr } = await workspace.try('backup', 'app')
  expect([code, stdout]).toEqual([3, expect.stringMatching(/^app -> main: snapshot/)])
  expect(stderr).toMatch(/^app -> disk: error: disk does not have it yet: there is no repository at/m)
  expect(stderr).toMatch(/The next backup brings what is missing there; so does: lifeboat copy --to disk/)
  const [run] = await here(app => app.catalog.listRuns({ limit: 1 }))
  expect(run).toMatchObject({
    end: { outcome: 'incomplete' },
    attempts: [
      { operation: 'backup', source: 'app', repository: 'main', outcome: 'done' },
      { operation: 'copy', source: 'app', repository: 'disk', outcome: 'failed', findings: [{ code: 'copy-later' }] },
    ],
  })
  back('disk')
  expect(await backUp()).toMatchObject({ copied: ['disk 3'] })
  expect(await points('disk')).toEqual(await points('main'))
})

test('where the first is away the next one is captured into, and the first gets it later', async () => {
  await backUp()
  away('backups')
  workspace.addNotes(10)
  expect(await backUp({ sources: ['app'] })).toEqual({
    done: ['app disk incremental', 'app main copy-later'],
    copied: [],
  })
  back('backups')
  expect(await backUp()).toEqual({
    done: ['app main incremental', 'docs main incremental', 'app disk main', 'docs disk main'],
    copied: ['disk 2', 'main 1'],
  })
  expect((await points('main')).toSorted()).toEqual((await points('disk')).toSorted())
  expect(await backUp()).toMatchObject({ copied: ['disk 2'] })
})

test('where both missed something each gets it from the other', async () => {
  await backUp({ sources: ['app'] })
  away('disk')
  await backUp({ sources: ['app'] })
  away('backups')
  back('disk')
  await backUp({ sources: ['app'] })
  back('backups')
  expect(await backUp({ sources: ['app'] })).toMatchObject({ copied: ['disk 2', 'main 1'] })
  expect(await points('main')).toHaveLength(4)
  expect((await points('main')).toSorted()).toEqual((await points('disk')).toSorted())
})

test('where all are away each source fails once, with what is wrong', async () => {
  away('disk')
  away('backups')
  const { code, stderr } = await workspace.try('backup', 'app')
  expect([code, stderr]).toEqual([
    10,
    expect.stringMatching(/app -> main: error: .*no repository.*app -> disk: error:/s),
  ])
})

test('a failing source is told once and recorded for each repository', async () => {
  rmSync(workspace.database)
  const { code, stderr } = await workspace.try('backup', 'app')
  expect(code).toBe(20)
  expect(stderr.match(/error:/g)).toHaveLength(1)
  const [run] = await here(app => app.catalog.listRuns({ limit: 1 }))
  expect(run?.attempts.map(({ repository }) => repository)).toEqual(['main', 'disk'])
})

test('each copy is verified where the policy says so', async () => {
  configure(CONFIG.replace('[main, disk] }', '[main, disk], verify: checked }'))
  await backUp({ sources: ['app'] })
  const proofs = await here(app =>
    Promise.all(
      ['main', 'disk'].map(async name => [...(await app.catalog.listProofs((await app.repository(name)).id)).values()]),
    ),
  )
  expect(proofs).toMatchObject([[{ proof: 'checked' }], [{ proof: 'checked' }]])
})

test('a dry run says where it would be captured into and where it would be copied to', async () => {
  const planned = await workspace.run('backup', 'app', '--dry-run')
  expect(planned).toMatch(/^app -> main: would take full$/m)
  expect(planned).toMatch(/^app -> disk: would be copied from main$/m)
  await workspace.json('backup', 'app', '--dry-run')
})

interface Listed {
  readonly id: string
  readonly repository: string
  readonly unknown: readonly string[]
  readonly copies: ReadonlyArray<{ readonly repository: string; readonly id: string }>
}

test('a list names each point once, where it lives, how old each repository is, and what could not be read', async () => {
  await backUp({ sources: ['app'] })
  away('disk')
  await backUp({ sources: ['app'] })
  const unread = await workspace.try('snapshots', '--json')
  const places = (json: string): unknown =>
    (documentedOutput('snapshots', json) as Listed[]).map(({ copies, unknown }) => [
      copies.map(({ repository }) => repository).join(' '),
      ...unknown,
    ])
  expect([unread.code, places(unread.stdout)]).toEqual([
    10,
    [
      ['main', 'disk'],
      ['main', 'disk'],
    ],
  ])
  const told = await workspace.try('snapshots')
  expect(told.stdout).toMatch(/^Newest of app: main just now; disk unknown$/m)
  back('disk')
  expect(places(await workspace.run('snapshots', '--json'))).toEqual([['main disk'], ['main']])
  const text = await workspace.run('snapshots')
  expect(text).toMatch(/REPOSITORIES/)
  expect(text).toMatch(/^Newest of app: main just now; disk just now, 1 behind$/m)
  const alone = await workspace.json<Listed[]>('snapshots', '--repo', 'disk')
  expect(alone).toMatchObject([{ repository: 'disk', copies: [{ repository: 'disk' }], unknown: [] }])
})

test('an id that a list shows finds the point in whichever repository is left', async () => {
  await backUp({ sources: ['app'] })
  const [listed] = await workspace.json<Listed[]>('snapshots', 'app')
  away('backups')
  const back = workspace.path('out.db')
  const report = await workspace.try('restore', 'app', listed?.id ?? '', '--to', back, '--json')
  expect(JSON.parse(report.stdout)).toMatchObject({ repository: 'disk' })
  expect(readNotes(back)).toEqual(readNotes(workspace.database))
})
