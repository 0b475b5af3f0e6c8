import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

describe.skipIf(skipRestic).each([1, 2] as const)('a repository that restic made, version %i', version => {
  let workspace: Workspace
  let folder: string
  beforeEach(async () => {
    workspace = new Workspace()
    workspace.makeDocs()
    workspace.makeDatabase(500)
    folder = workspace.docs
    await workspace.restic.init(version)
    await workspace.restic.run('backup', '--tag', 'theirs', folder)
  })

  it('is read, listed and restored', async () => {
    writeFileSync(join(folder, 'later.bin'), pseudoRandom(2_500_000, 9))
    await workspace.restic.run('backup', folder)
    const listed = await workspace.snapshots()
    const theirs = await workspace.restic.snapshots()
    expect(listed.map(one => one.id)).toEqual(theirs.map(one => one.id))
    await workspace.run('check', '--read-data')
    await workspace.run('restore', '-', listed[1]?.shortId ?? '', '--to', workspace.path('out'))
    expect(digestTree(join(workspace.path('out'), folder))).toEqual(digestTree(folder))
    expect(await workspace.run('ls', listed[0]?.id ?? '', '--recursive')).toContain('file-70000.bin')
  })

  it('is opened with any of its passwords', async () => {
    writeFileSync(workspace.path('second'), 'another one')
    await workspace.restic.run('key', 'add', '--new-password-file', workspace.path('second'))
    workspace.setPassword('another one')
    expect(await workspace.snapshots()).toHaveLength(1)
    expect((await workspace.json<{ keys: unknown[] }>('key', 'list')).keys).toHaveLength(2)
    workspace.setPassword('a wrong one')
    expect((await workspace.try('snapshots')).code).toBe(12)
  })

  it('takes our backups beside its own', async () => {
    const ours = await workspace.backup('docs')
    const app = await workspace.backup('app')
    await workspace.restic.checkAll()
    expect(await workspace.restic.snapshots()).toHaveLength(3)
    await workspace.restic.restore(ours, workspace.path('by-restic'))
    expect(digestTree(join(workspace.path('by-restic'), 'docs'))).toEqual(digestTree(folder))
    await workspace.run('restore', 'app', app, '--to', workspace.path('app-again.db'))
    expect(readNotes(workspace.path('app-again.db'))).toEqual(readNotes(workspace.database))
    await workspace.restic.run('backup', folder)
    await workspace.restic.checkAll()
  })

  it('is pruned by us, and restic goes on', async () => {
    const kept = digestTree(folder)
    writeFileSync(join(folder, 'large.bin'), pseudoRandom(3_000_000, 4))
    await workspace.restic.run('backup', '--tag', 'drop', folder)
    rmSync(join(folder, 'large.bin'))
    await workspace.restic.run('forget', '--tag', 'drop', '--keep-tag', 'none')
    const { repositories } = await workspace.json<{ repositories: [{ bytesBefore: number; bytesAfter: number }] }>(
      'prune',
    )
    expect(repositories[0].bytesBefore - repositories[0].bytesAfter).toBeGreaterThan(2_900_000)
    await workspace.restic.checkAll()
    const [first] = await workspace.restic.snapshots()
    await workspace.restic.restore(first?.id ?? '', workspace.path('by-restic'))
    expect(digestTree(join(workspace.path('by-restic'), folder))).toEqual(kept)
    await workspace.restic.run('backup', folder)
    await workspace.restic.checkAll()
    await workspace.run('check', '--read-data')
  })
})
