import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { documentedOutput } from '../helpers/json-output.ts'
import { skipRestic } from '../helpers/restic.ts'
import { PASSWORD, prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  offsite: { url: ./offsite, passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
policies:
  all: { sources: [docs], repositories: [main, offsite] }
`

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  prepared.makeDocs()
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  await cheapenKeys(prepared.path('offsite'), PASSWORD)
  await prepared.run('backup', '--repo', 'main')
  writeFileSync(prepared.path('docs', 'second'), 'the second time')
  await prepared.run('backup', '--repo', 'main')
  await prepared.run('copy')
})
beforeEach(() => {
  workspace = copyPrepared()
})

const filesIn = (folder: string): string[] =>
  readdirSync(workspace.path('backups', folder), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => `${entry.parentPath}/${entry.name}`)

const biggestPack = (): string => filesIn('data').toSorted((a, b) => statSync(b).size - statSync(a).size)[0] as string

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  rmSync(file)
  writeFileSync(file, bytes)
}

describe.skipIf(skipRestic)('what restic says afterwards', () => {
  test('a lost index comes back from the packs', async () => {
    for (const file of filesIn('index')) rmSync(file)
    const check = await workspace.try('check', '--repo', 'main')
    expect([check.code, check.stdout]).toEqual([22, expect.stringContaining('lifeboat repair index')])
    const asked = await workspace.try('repair', 'index', '--repo', 'main')
    expect([asked.code, asked.stderr]).toEqual([23, expect.stringContaining('--yes')])
    expect(await workspace.run('repair', 'index', '--repo', 'main', '--yes')).toContain('indexed anew')
    await workspace.restic.checkAll()
    expect(await workspace.run('repair', 'index', '--repo', 'main')).toContain('as it should be')
  })

  test('damaged and missing packs come back from another repository', async () => {
    flip(biggestPack(), 5000)
    for (const file of filesIn('data')
      .filter(name => name !== biggestPack())
      .slice(0, 1))
      rmSync(file)
    const check = await workspace.try('check', '--read-data', '--repo', 'main')
    expect([check.code, check.stdout]).toEqual([22, expect.stringContaining('lifeboat repair packs')])
    const report = documentedOutput('repair packs', await workspace.run('repair', 'packs', '--yes', '--json'))
    expect(report).toMatchObject({
      repositories: [
        { repository: 'main', absent: 0, hurt: [], findings: [{ code: 'taken-from-another-repository' }] },
        { repository: 'offsite', packs: [] },
      ],
    })
    await workspace.restic.checkAll()
    const runs = await workspace.json<Array<{ state: string }>>('runs', '--operation', 'repair-packs')
    expect(runs.map(({ state }) => state)).toEqual(['done'])
  })

  test('what nobody has is named, and snapshots are kept without it', async () => {
    rmSync(workspace.path('offsite'), { recursive: true })
    const pack = biggestPack()
    flip(pack, 5000)
    const id = pack.slice(-64)
    const packs = await workspace.try('repair', 'packs', id.slice(0, 8), '--repo', 'main', '--yes')
    expect([packs.code, packs.stdout]).toEqual([22, expect.stringContaining('1 lost')])
    expect(readdirSync(workspace.path('backups', 'damaged'))).toEqual([id])
    const foreseen = documentedOutput(
      'repair snapshots',
      await workspace.run('repair', 'snapshots', '--repo', 'main', '--dry-run', '--json'),
    )
    expect(foreseen).toMatchObject({
      dryRun: true,
      repositories: [{ snapshots: [{ lostCount: 1 }, { lostCount: 1 }] }],
    })
    const repaired = await workspace.run('repair', 'snapshots', '--repo', 'main', '--forget', '--yes')
    expect(repaired).toMatch(/without docs\/file-900000\.bin, as [0-9a-f]{8}; forgotten/)
    await workspace.restic.checkAll()
    const left = await workspace.restic.snapshots()
    expect(left.map(({ tags }) => tags?.includes('repaired'))).toEqual([true, true])
    const restore = ['restore', 'docs', '--repo', 'main', '--to', workspace.path('back')]
    // What is left is not what was captured: whoever restores it must know.
    expect((await workspace.try(...restore)).stderr).toContain('files in the manifest')
    await workspace.run(...restore, '--no-checks', '--yes')
    expect(readFileSync(workspace.path('back', 'second'), 'utf8')).toBe('the second time')
    expect(readdirSync(workspace.path('back'))).not.toContain('file-900000.bin')
  })
})

test.skipIf(skipRestic)(
  'parity heals in place, without another repository, and restic reads all the same',
  async () => {
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      CONFIG.replace('./backups, passwordFile: ./password }', './backups, passwordFile: ./password, parity: 5% }'),
    )
    rmSync(workspace.path('offsite'), { recursive: true })
    expect(await workspace.run('repair', 'parity', '--repo', 'main')).toMatch(/^main: parity of \d+ files written/)
    await workspace.restic.checkAll()
    const pack = biggestPack()
    const before = readFileSync(pack)
    flip(pack, 5000)
    await workspace.run('restore', 'docs', '--repo', 'main', '--to', workspace.path('back'))
    expect(await workspace.run('repair', 'packs', '--repo', 'main', '--yes')).toContain('whole again by its parity')
    expect(readFileSync(pack).equals(before)).toBe(true)
    flip(workspace.path('backups', 'config'), 20)
    const check = await workspace.try('check', '--repo', 'main')
    expect(check.stderr).toContain('lifeboat repair index')
    await workspace.run('repair', 'index', '--repo', 'main', '--yes')
    await workspace.restic.checkAll()
  },
)

test('nothing is asked where nothing is wrong', async () => {
  expect(await workspace.run('repair', 'packs')).toContain('no pack is known to be damaged')
  expect(await workspace.run('repair', 'snapshots')).toContain('can be read whole')
})
