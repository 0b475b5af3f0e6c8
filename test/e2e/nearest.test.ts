import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { PASSWORD, prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  disk: { url: ./disk, passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
policies:
  nightly: { sources: [docs], repositories: [main, disk] }
`
const ONE = randomBytes(1_000_000)
const OTHER = randomBytes(500_000)

interface Restored {
  readonly repository: string
  readonly findings: ReadonlyArray<{ readonly code: string; readonly message: string }>
}

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  mkdirSync(join(prepared.docs, 'deep'), { recursive: true })
  writeFileSync(join(prepared.docs, 'one'), ONE)
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  await cheapenKeys(prepared.path('disk'), PASSWORD)
  await prepared.run('backup', '--repo', 'main')
  await prepared.run('copy')
  writeFileSync(join(prepared.docs, 'deep/other'), OTHER)
  await prepared.run('backup', '--repo', 'main')
  await prepared.run('copy')
})
beforeEach(() => {
  workspace = copyPrepared()
})

/** Packs of data by their size: that of `one`, that of `deep/other`. */
function packs(repository: string): string[] {
  return readdirSync(workspace.path(repository, 'data'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .toSorted((a, b) => statSync(b).size - statSync(a).size)
}

function flip(path: string | undefined, at: number): void {
  if (path === undefined) throw new Error('there is no such pack')
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  rmSync(path)
  writeFileSync(path, bytes)
}

async function expectRestored(): Promise<Restored> {
  const out = workspace.path('out')
  const report = await workspace.json<Restored>('restore', 'docs', '--to', out)
  expect(readFileSync(join(out, 'one')).equals(ONE)).toBe(true)
  expect(readFileSync(join(out, 'deep/other')).equals(OTHER)).toBe(true)
  return report
}

const elsewhere = expect.objectContaining({ code: 'taken-from-another-repository' })

test('where nothing is damaged a restore reads the first repository alone', async () => {
  expect(await expectRestored()).toMatchObject({ repository: 'main', findings: [] })
})

test.each<[string, () => void]>([
  ['a flipped byte', () => flip(packs('backups')[0], 5000)],
  ['a pack that is gone', () => rmSync(packs('backups')[0] ?? '')],
  ['all packs gone', () => packs('backups').forEach(pack => rmSync(pack))],
  ['the index gone', () => rmSync(workspace.path('backups/index'), { recursive: true })],
])('%s in one repository: a restore, ls, cat and find go on with the other', async (_, damage) => {
  damage()
  rmSync(workspace.path('.lifeboat/cache'), { recursive: true })
  const report = await expectRestored()
  expect(report).toMatchObject({ repository: 'main', findings: [elsewhere] })
  expect(report.findings[0]?.message).toMatch(/blobs? \(.*\) could not be read here and came from disk/)
  expect(await workspace.run('ls', 'docs', '--recursive')).toMatch(/deep\/other/)
  const { stdout } = await workspace.try('cat', 'docs', 'deep/other', '--json')
  expect(Buffer.from((JSON.parse(stdout) as { content: string }).content, 'base64').equals(OTHER)).toBe(true)
  const found = await workspace.json<Array<{ path: string; repository: string }>>('find', 'other')
  expect(found.map(({ path, repository }) => [path, repository])).toEqual([
    ['deep/other', 'main'],
    ['deep/other', 'disk'],
  ])
  // What came from elsewhere proves nothing of this one.
  const shown = await workspace.json<Array<{ repository: string; proof: string }>>('snapshots', '--repo', 'main')
  expect(shown.map(({ proof }) => proof)).toEqual(['recorded', 'recorded'])
})

test('one repository gone: a restore takes the other, and says so', async () => {
  rmSync(workspace.path('backups'), { recursive: true })
  expect((await expectRestored()).repository).toBe('disk')
})

test('both damaged in different blobs: a restore is whole', async () => {
  flip(packs('backups')[0], 5000)
  flip(packs('disk')[1], 5000)
  expect(await expectRestored()).toMatchObject({ findings: [elsewhere] })
})

test('the same blobs lost in both: a restore fails and names both', async () => {
  for (const repository of ['backups', 'disk']) for (const pack of packs(repository).slice(0, 2)) rmSync(pack)
  const { code, stderr } = await workspace.try('restore', 'docs', '--to', workspace.path('out'))
  expect(code).toBe(22)
  expect(stderr).toMatch(/pack is missing; .*disk: pack [0-9a-f]{8}: the pack is missing/)
})

test('with --repo no other repository is read', async () => {
  rmSync(packs('backups')[0] ?? '')
  const { code } = await workspace.try('restore', 'docs', '--repo', 'main', '--to', workspace.path('out'))
  expect(code).toBe(22)
})

test('a verification proves one copy, and takes nothing from others', async () => {
  flip(packs('backups')[0], 5000)
  expect((await workspace.try('verify', 'docs')).code).toBe(22)
  expect((await workspace.try('verify', 'docs', '--repo', 'disk')).code).toBe(0)
})
