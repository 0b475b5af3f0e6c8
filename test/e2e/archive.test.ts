import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type ArchivingS3, startArchivingS3 } from '../helpers/archiving-s3.ts'
import { S3Workspace } from '../helpers/s3-workspace.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom } from '../helpers/workspace.ts'

/** An application whose repository is in a bucket that archives packs of data. */
async function startArchived(): Promise<{ service: ArchivingS3; workspace: S3Workspace }> {
  const service = await startArchivingS3()
  onTestFinished(() => service.close())
  const workspace = new S3Workspace(service.url)
  writeFileSync(join(workspace.app, 'password'), 'correct horse\n', { mode: 0o600 })
  writeFileSync(
    join(workspace.app, 'lifeboat.yaml'),
    `repositories:
  main: { url: "${service.url}", passwordFile: ./password, storage: { storageClass: DEEP_ARCHIVE } }
sources:
  uploads: { kind: files, path: ./uploads }
policies:
  all: { sources: [uploads], repositories: [main] }
`,
  )
  await workspace.run('init')
  return { service, workspace }
}

const archivedIn = (service: ArchivingS3): string[] =>
  [...service.objects].filter(([, { storageClass }]) => storageClass === 'DEEP_ARCHIVE').map(([key]) => key)

test('an archived repository is backed up to, listed, checked, and restored when its packs are back', async () => {
  const { service, workspace } = await startArchived()
  const archived = (): string[] => archivedIn(service)
  await workspace.run('backup')
  expect(archived().length).toBeGreaterThan(0)
  expect(archived().every(key => key.startsWith('data/'))).toBe(true)
  expect(archived().length).toBeLessThan([...service.objects.keys()].filter(key => key.startsWith('data/')).length)

  // A second one begins with the first one's manifest.
  writeFileSync(join(workspace.uploads, 'new.txt'), pseudoRandom(1000, 1))
  expect(await workspace.run('backup')).toMatch(/stored/)
  expect(workspace.printed).not.toMatch(/warning|archived/)
  expect(await workspace.run('snapshots')).toMatch(/(.*uploads.*\n){2}/)

  const cost = JSON.parse(await workspace.run('stats', '--cost', '--json'))
  expect(cost.costs).toMatchObject([
    {
      repository: 'main',
      objects: service.objects.size,
      kinds: expect.arrayContaining([expect.objectContaining({ kind: 'snapshots', objects: 2 })]),
      classes: expect.arrayContaining([
        expect.objectContaining({ storageClass: 'DEEP_ARCHIVE', objects: archived().length }),
      ]),
      requests: { days: 1, runs: 2 },
    },
  ])
  // A pack of data, one of manifests, one of trees, an index, a lock and a snapshot each.
  expect(cost.costs[0].requests.perDay).toMatchObject({ saves: 12, removes: 2 })
  expect(await workspace.run('stats', '--cost')).toMatch(/DEEP_ARCHIVE +\d+ objects?, [^]*about 12 saves, /)

  const checked = await workspace.attempt('check')
  expect([checked.code, checked.stdout]).toEqual([0, expect.stringMatching(/archived, and so were not looked into/)])
  const read = await workspace.attempt('check', '--read-data', '--json')
  expect([read.code, JSON.parse(read.stdout)]).toMatchObject([3, { whole: true, repositories: [{ proven: 0 }] }])
  expect(await workspace.attempt('check', '--thaw')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--thaw needs --read-data/),
  })
  expect(service.restores).toEqual([])

  const out = workspace.path('out')
  const planned = await workspace.attempt('restore', 'uploads', '--to', out, '--dry-run')
  expect([planned.code, planned.stdout]).toEqual([0, expect.stringMatching(/are archived, and can be read about 12 h/)])
  expect(service.restores).toEqual([])

  const asked = await workspace.attempt('restore', 'uploads', '--to', out)
  expect([asked.code, asked.stderr]).toEqual([27, expect.stringMatching(/asked for now: ready in about 12 h.*, at 20/)])
  expect(asked.stderr).toContain('Run the same command again then, or add --wait')
  expect(service.restores.map(({ key }) => key).sort()).toEqual(archived().sort())
  const again = await workspace.attempt('restore', 'uploads', '--to', out, '--json')
  expect([again.code, JSON.parse(again.stdout)]).toMatchObject([
    27,
    { error: { code: 'storage-archived', context: { packs: archived().length, readyAt: expect.any(String) } } },
  ])
  expect(service.restores).toHaveLength(archived().length)

  service.finishRestores()
  await workspace.run('restore', 'uploads', '--to', out)
  expect(digestTree(out)).toEqual(digestTree(workspace.uploads))
  expect((await workspace.attempt('check', '--read-data', '--thaw')).code).toBe(0)

  // Of a part only what it needs.
  rmSync(join(workspace.uploads, 'new.txt'))
  writeFileSync(join(workspace.uploads, 'later.bin'), pseudoRandom(100_000, 2))
  await workspace.run('backup')
  const before = service.restores.length
  const part = workspace.path('part')
  expect((await workspace.attempt('restore', 'uploads', '--to', part, '--include', 'a.txt')).code).toBe(0)
  expect((await workspace.attempt('restore', 'uploads', '--to', `${part}-2`, '--include', 'later.bin')).code).toBe(27)
  expect(service.restores.length - before).toBe(1)
})
