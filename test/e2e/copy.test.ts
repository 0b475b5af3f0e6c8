import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { Restic, skipRestic } from '../helpers/restic.ts'
import { PASSWORD, prepareWorkspace, readNotes, type Workspace } from '../helpers/workspace.ts'

const OTHER_PASSWORD = 'another password'
const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  offsite: { url: ./offsite, passwordFile: ./other-password }
  disk: { url: ./disk, passwordFile: ./password }
sources:
  app: { kind: sqlite, path: ./app.db }
  docs: { kind: files, path: ./docs }
policies:
  nightly: { sources: [app], repositories: [main, offsite] }
  weekly: { sources: [docs], repositories: [main] }
`

interface Copied {
  readonly dryRun: boolean
  readonly copies: ReadonlyArray<{
    readonly from: string
    readonly to: string
    readonly copied?: ReadonlyArray<{ readonly from: string; readonly snapshot: string }>
    readonly missing?: readonly unknown[]
    readonly present?: number
    readonly leftOut?: readonly string[]
    readonly pins?: number
    readonly bytesRead?: number
    readonly error?: { readonly code: string }
    readonly findings?: ReadonlyArray<{ readonly code: string }>
  }>
}

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  prepared.makeDatabase(300)
  prepared.makeDocs()
  writeFileSync(prepared.path('other-password'), OTHER_PASSWORD, { mode: 0o600 })
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  await cheapenKeys(prepared.path('offsite'), OTHER_PASSWORD)
  await cheapenKeys(prepared.path('disk'), PASSWORD)
  await prepared.run('backup', 'app', '--repo', 'main')
  prepared.addNotes(100)
  await prepared.run('backup', '--repo', 'main')
})
beforeEach(() => {
  workspace = copyPrepared()
})

const copy = async (...args: string[]): Promise<Copied> => {
  const printed = await workspace.run('copy', ...args, '--json')
  return documentedOutput('copy', printed) as Copied
}

const idsIn = async (repository: string): Promise<string[]> => {
  const all = await workspace.json<Array<{ id: string }>>('snapshots', '--repo', repository)
  return all.map(({ id }) => id)
}

test('brings each source to the other repositories of its policies, once', async () => {
  expect(await copy('--dry-run')).toMatchObject({
    dryRun: true,
    copies: [{ from: 'main', to: 'offsite', missing: [{}, {}], present: 0 }],
  })
  expect(await idsIn('offsite')).toEqual([])
  const first = await copy()
  expect(first.copies).toMatchObject([{ from: 'main', to: 'offsite', sources: ['app'], present: 0, complete: true }])
  expect(first.copies[0]?.copied?.map(({ snapshot }) => snapshot)).toEqual(await idsIn('offsite'))
  const again = await copy()
  expect(again.copies).toMatchObject([{ copied: [], present: 2, bytesRead: 0, bytesStored: 0 }])
  const runs = await workspace.json<Array<{ operation: string; outcome: string; attempts: unknown[] }>>(
    'runs',
    '--operation',
    'copy',
  )
  expect(runs).toMatchObject([{ operation: 'copy', attempts: [{ repository: 'offsite' }] }, { operation: 'copy' }])
})

test('to a repository that is named goes everything, and from there it comes back', async () => {
  const { copies } = await copy('--to', 'disk', '--to', 'offsite')
  expect(copies.map(({ to, copied }) => [to, copied?.length])).toEqual([
    ['disk', 3],
    ['offsite', 3],
  ])
  const out = workspace.path('out.db')
  rmSync(workspace.path('backups'), { recursive: true })
  rmSync(workspace.path('disk'), { recursive: true })
  await workspace.run('restore', 'app', '--to', out)
  expect(readNotes(out)).toEqual(readNotes(workspace.database))
})

test.skipIf(skipRestic)('what was copied is sound to restic, and restores with it', async () => {
  await copy('--to', 'offsite')
  const restic = new Restic(workspace.dir, workspace.path('offsite'), OTHER_PASSWORD)
  await restic.checkAll()
  const [first, ...others] = await restic.snapshots()
  expect(others).toHaveLength(2)
  await restic.restore(others[0]?.id ?? '', workspace.path('by-restic'))
  expect(readNotes(workspace.path('by-restic/app/app.db'))).toEqual(readNotes(workspace.database))
  expect(first).toMatchObject({ original: (await idsIn('main'))[0], tags: expect.arrayContaining(['source:app']) })
})

test('what is forgotten at one place stays at the other, and is not brought back by a copy the other way', async () => {
  await copy('--to', 'offsite')
  const before = await idsIn('offsite')
  await workspace.run('forget', '--keep-last', '1', '--prune', '--repo', 'main')
  await copy('--to', 'offsite')
  expect(await idsIn('offsite')).toEqual(before)
  expect(await idsIn('main')).toHaveLength(2)
})

test('pins travel, also later, and never the end of one', async () => {
  const [id = ''] = await idsIn('main')
  await copy()
  await workspace.run('pin', id, '--reason', 'before the move')
  expect((await copy()).copies).toMatchObject([{ copied: [], pins: 1 }])
  expect((await copy()).copies).toMatchObject([{ pins: 0 }])
  await workspace.run('unpin', id)
  await copy()
  const there = await workspace.json<Array<{ pin: unknown }>>('snapshots', '--repo', 'offsite')
  expect(there.map(({ pin }) => pin)).toEqual([{ until: null, reason: 'before the move' }, null])
})

test('damaged data is left out and named, everything else is copied: 3', async () => {
  writeFileSync(join(workspace.docs, 'lost.bin'), randomBytes(2_000_000))
  const packs = new Set(packsOf('backups'))
  await workspace.run('backup', 'docs', '--repo', 'main')
  const fresh = packsOf('backups').filter(pack => !packs.has(pack))
  flipByte(fresh.toSorted((a, b) => readFileSync(b).length - readFileSync(a).length)[0] ?? '')
  const { code, stdout } = await workspace.try('copy', '--to', 'offsite', '--json')
  expect(code).toBe(3)
  const [hurt = ''] = (await idsIn('main')).slice(-1)
  expect(documentedOutput('copy', stdout)).toMatchObject({
    copies: [{ leftOut: [hurt], complete: false, findings: [{ code: 'pack-damaged', affects: [hurt] }] }],
  })
  expect(await idsIn('offsite')).toHaveLength(3)
})

test('one that cannot be reached does not keep the others from it: 3', async () => {
  renameSync(workspace.path('offsite'), workspace.path('away'))
  const { code, stdout, stderr } = await workspace.try('copy', '--to', 'offsite', '--to', 'disk')
  expect(code).toBe(3)
  expect(stdout).toMatch(/^main -> disk: copied 3 recovery points/)
  expect(stderr).toMatch(/^main -> offsite: error: .*no repository/m)
  expect((await workspace.try('copy')).code).toBe(10)
})

test.each<[string[], number, RegExp]>([
  [['--to', 'main', '--from', 'main'], 2, /main cannot be copied to itself/],
  [['--to', 'ofsite'], 2, /Did you mean "offsite"/],
  [['docs'], 2, /no policy takes a source to several repositories/],
  [['--repo', 'offsite'], 2, /takes no --repo/],
])('copy %j ends with %i and says why', async (args, exitCode, message) => {
  const { code, stderr } = await workspace.try('copy', ...args)
  expect([code, stderr]).toEqual([exitCode, expect.stringMatching(message)])
})

test('a wrong password is said', async () => {
  writeFileSync(workspace.path('other-password'), 'wrong')
  const { code, stderr } = await workspace.try('copy')
  expect([code, stderr]).toEqual([12, expect.stringMatching(/password/)])
})

function packsOf(repository: string): string[] {
  const folder = workspace.path(repository, 'data')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function flipByte(path: string): void {
  const bytes = readFileSync(path)
  bytes[5000] = (bytes[5000] ?? 0) ^ 1
  rmSync(path)
  writeFileSync(path, bytes)
}
