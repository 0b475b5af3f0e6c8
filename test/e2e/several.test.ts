import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { prepareWorkspace, Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  disk: { url: ./disk, passwordFile: ./password }
sources:
  app: { kind: sqlite, path: ./app.db }
  docs: { kind: files, path: ./docs }
  loose: { kind: files, path: ./docs }
policies:
  nightly:
    sources: [app]
    repositories: [main, disk]
    keep: { last: 1 }
  weekly: { sources: [docs], repositories: [disk], type: full }
`

interface Attempt {
  readonly source: string
  readonly repository: string
  readonly type?: string
  readonly from?: string
  readonly error?: { readonly code: string }
}

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  prepared.makeDatabase(20)
  mkdirSync(prepared.docs)
  writeFileSync(join(prepared.docs, 'a.txt'), 'a')
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
})
beforeEach(() => {
  workspace = copyPrepared()
})

const attempts = async (...args: string[]): Promise<string[]> => {
  const { stdout } = await workspace.try('backup', ...args, '--json')
  const { sources } = JSON.parse(stdout) as { sources: Attempt[] }
  return sources.map(
    ({ source, repository, type, from, error }) => `${source}:${repository}:${error?.code ?? from ?? type}`,
  )
}

test('each source goes to the repositories of its policies, with the policy’s type', async () => {
  expect(await attempts('app', 'docs')).toEqual(['app:main:full', 'docs:disk:full', 'app:disk:main'])
  expect(await attempts('docs', '--repo', 'main', '--type', 'incremental')).toEqual(['docs:main:full'])
  const { code, stderr } = await workspace.try('backup', 'loose')
  expect([code, stderr]).toEqual([2, expect.stringContaining('no policy says to which repository source loose goes')])
  expect((await workspace.snapshots()).map(({ source }) => source)).toEqual(['app', 'docs', 'docs'])
})

test('one that fails does not keep the others from being saved: 3', async () => {
  renameSync(workspace.path('disk'), workspace.path('away'))
  const { code, stdout, stderr } = await workspace.try('backup', 'app')
  expect(code).toBe(3)
  // For people who throw the one away and read the other.
  expect([stdout, stderr]).toEqual([
    expect.stringMatching(/^app -> main: snapshot(?!.*error)/s),
    expect.stringMatching(/^app -> disk: error: .*no repository/m),
  ])
  expect(await attempts('app')).toEqual(['app:main:incremental', 'app:disk:copy-later'])
  const listed = await workspace.try('snapshots', '--json')
  expect([listed.code, (JSON.parse(listed.stdout) as unknown[]).length]).toEqual([10, 2])
  rmSync(workspace.database)
  expect((await workspace.try('backup', 'app')).code).not.toBe(0)
})

const MANY: ReadonlyArray<readonly [command: string, done: (json: unknown) => unknown, ...args: string[]]> = [
  ['snapshots', json => json],
  ['find', json => json, 'app.db'],
  ['stats', json => (json as { repositories: unknown }).repositories],
  ['check', json => (json as { repositories: unknown }).repositories],
  ['forget', json => (json as { prune: unknown }).prune, '--keep-last', '1', '--prune', 'app'],
  ['prune', json => (json as { repositories: unknown }).repositories],
  ['unlock', json => (json as { repositories: unknown }).repositories],
]

test('one that cannot be opened does not keep a command from the others', async () => {
  await workspace.run('backup', 'app', '--repo', 'main')
  const aside = '  aside: { url: ./gone, passwordFile: ./password }\n  main:'
  const config = CONFIG.replace(/ {2}disk:.*\n/, '')
    .replace('  main:', aside)
    .replaceAll('disk]', 'aside]')
  writeFileSync(workspace.path('lifeboat.yaml'), config)
  for (const [command, done, ...args] of MANY) {
    const { code, stdout, stderr } = await workspace.try(command, ...args, '--json')
    const json = JSON.parse(stdout) as { failed?: unknown }
    expect([command, code, done(json)]).toEqual([command, 10, [expect.objectContaining({ repository: 'main' })]])
    expect([command, stderr]).toEqual([command, expect.stringMatching(/^aside: error: .*no repository/m)])
    if (!Array.isArray(json)) {
      const error = expect.objectContaining({ code: 'no-repository' })
      expect([command, json.failed]).toEqual([command, [{ repository: 'aside', error }]])
    }
  }
  const { stdout } = await workspace.try('doctor', '--json')
  const { checks } = JSON.parse(stdout) as { checks: Array<{ area: string; name: string; status: string }> }
  const found = checks.filter(({ area }) => area === 'repository').map(({ name, status }) => `${name} ${status}`)
  expect(new Set(found)).toEqual(new Set(['aside error', 'main ok']))
  // Where there is none but the one that fails there is nothing to go on with.
  const only = await workspace.try('check', '--repo', 'aside', '--json')
  expect([only.code, JSON.parse(only.stdout)]).toMatchObject([10, { error: { code: 'no-repository' } }])
})

test('a restore takes the newest from whichever repository has it', async () => {
  await workspace.run('backup', 'app', '--repo', 'disk')
  await workspace.run('backup', 'app', '--repo', 'main')
  const id = await workspace.json<{ repository: string }>('restore', 'app', '--to', workspace.path('r1.db'))
  expect(id.repository).toBe('main')
  rmSync(workspace.path('backups'), { recursive: true })
  const other = await workspace.try('restore', 'app', '--to', workspace.path('r2.db'), '--json')
  expect(JSON.parse(other.stdout)).toMatchObject({ repository: 'disk' })
  expect(other.stderr).toContain('no repository')
})

test('forget goes by the policies where no rule is given', async () => {
  await workspace.run('backup', 'app')
  await workspace.run('backup', 'app')
  await workspace.run('backup', 'docs')
  await workspace.run('backup', 'docs')
  const { groups } = await workspace.json<{ groups: Array<{ repository: string; remove: unknown[] }> }>(
    'forget',
    '--prune',
  )
  expect(groups.map(({ repository, remove }) => `${repository} ${remove.length}`).toSorted()).toEqual([
    'disk 1',
    'main 1',
  ])
  expect((await workspace.snapshots()).map(({ source }) => source)).toEqual(['app', 'docs', 'docs'])
  expect((await workspace.try('forget', 'docs')).code).toBe(2)
})

test('what must not happen to the wrong repository asks which', async () => {
  for (const command of [
    ['key', 'list'],
    ['key', 'remove', 'ffff'],
    ['cat', '--object', 'config'],
  ]) {
    const { code, stderr } = await workspace.try(...command)
    expect([code, stderr]).toEqual([2, expect.stringContaining('--repo: main, disk')])
  }
  // Both repositories use one password file, so changing one's password leaves it alone.
  writeFileSync(workspace.path('next'), 'next one\n', { mode: 0o600 })
  await workspace.run('key', 'passwd', '--repo', 'disk', '--new-password-file', workspace.path('next'))
  expect((await workspace.try('snapshots', '--repo', 'main')).code).toBe(0)
  expect((await workspace.try('snapshots', '--repo', 'disk')).code).toBe(12)
})

test('a repository of another machine is restored by what its snapshots say', async () => {
  await workspace.run('backup', 'app', '--repo', 'main')
  const other = new Workspace()
  cpSync(workspace.repository, other.repository, { recursive: true })
  writeFileSync(other.path('lifeboat.yaml'), 'repositories:\n  main: { url: ./backups, passwordFile: ./password }\n')
  await other.run('restore', 'app', 'latest', '--to', other.path('again.db'))
  expect(await other.run('ls', 'latest')).toContain('app.db')
  const { code, stderr } = await other.try('restore', 'app')
  expect([code, stderr]).toEqual([2, expect.stringContaining('--to PATH')])
})

test('forget drops just the snapshots that are named by id', async () => {
  await workspace.run('backup', 'app')
  await workspace.run('backup', 'app')
  const before = await workspace.snapshots()
  const [first, second] = before.filter(({ repository }) => repository === 'main')
  const mixed = await workspace.try('forget', first?.id ?? '', 'app')
  expect([mixed.code, mixed.stderr]).toEqual([2, expect.stringContaining('neither sources nor rules')])
  expect((await workspace.try('forget', 'ffffffff')).stderr).toContain('there is no snapshot ffffffff')
  await workspace.run('forget', first?.id ?? '', '--dry-run')
  expect(await workspace.snapshots()).toHaveLength(before.length)
  await workspace.run('forget', first?.id.slice(0, 10) ?? '', second?.id ?? '', '--prune')
  const after = await workspace.snapshots()
  expect(after.map(({ repository }) => repository)).toEqual(['disk', 'disk'])
  await workspace.run('check', '--read-data')
})

test('a snapshot carries the policy it was taken for, and stays if any policy keeps it', async () => {
  const policies = `  often: { sources: [docs], repositories: [main], keep: { last: 1 } }
  month: { sources: [docs], repositories: [main], type: full, keep: { within: 30d } }
`
  writeFileSync(workspace.path('lifeboat.yaml'), `${CONFIG.slice(0, CONFIG.indexOf('  nightly:'))}${policies}`)
  const { stderr } = await workspace.try('backup', '--policy', 'offten')
  expect(stderr).toContain('Did you mean "often"?')
  for (const policy of ['month', 'month', 'often', 'often']) await workspace.run('backup', '--policy', policy)
  const { stdout } = await workspace.try('forget', '--json')
  const { groups } = JSON.parse(stdout) as { groups: Array<{ keep: Array<{ reasons: string[] }>; remove: unknown[] }> }
  expect(groups[0]?.keep.map(({ reasons }) => reasons)).toEqual([
    ['policy often: last snapshot'],
    ['policy month: within 30d'],
    ['policy month: within 30d'],
  ])
  expect(groups[0]?.remove).toHaveLength(1)
})
