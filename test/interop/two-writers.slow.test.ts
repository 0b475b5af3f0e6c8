import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

describe.skipIf(skipRestic)('several writers on one repository at once', () => {
  it('leave it whole, and every snapshot restorable', async () => {
    const workspace = new Workspace()
    workspace.makeDatabase(5000)
    workspace.makeDocs()
    const theirs = workspace.path('theirs')
    mkdirSync(theirs)
    writeFileSync(join(theirs, 'same.bin'), pseudoRandom(900_000, 900_000))
    await workspace.run('init', '--yes')
    for (let round = 0; round < 3; round++) {
      workspace.change(`UPDATE notes SET text = hex(randomblob(150)) WHERE id % 3 = ${round}`)
      writeFileSync(join(workspace.docs, 'each-time.bin'), pseudoRandom(2_000_000, round))
      writeFileSync(join(theirs, 'each-time.bin'), pseudoRandom(2_000_000, round))
      await Promise.all([
        workspace.run('backup', 'app'),
        workspace.run('backup', 'docs'),
        workspace.restic.run('backup', theirs),
      ])
    }
    await workspace.restic.checkAll()
    await workspace.run('check', '--read-data')
    const snapshots = await workspace.snapshots()
    expect(snapshots).toHaveLength(9)
    await workspace.run('restore', 'docs', 'latest', '--to', workspace.path('docs-again'))
    expect(digestTree(workspace.path('docs-again'))).toEqual(digestTree(workspace.docs))
    await workspace.run('restore', 'app', 'latest', '--to', workspace.path('app-again.db'))
    expect(readNotes(workspace.path('app-again.db'))).toEqual(readNotes(workspace.database))
    const last = (await workspace.restic.snapshots()).findLast(one => one.paths.includes(theirs))
    await workspace.restic.restore(last?.id ?? '', workspace.path('theirs-again'))
    expect(digestTree(join(workspace.path('theirs-again'), theirs))).toEqual(digestTree(theirs))
  })

  it('make prune wait or say so, and lose nothing by it', async () => {
    const workspace = new Workspace()
    workspace.makeDocs()
    await workspace.run('init', '--yes')
    await workspace.run('backup', 'docs')
    const listed = await workspace.snapshots()
    const [backup, prune] = await Promise.all([
      workspace.try('backup', 'docs', '--type', 'full'),
      workspace.try('prune'),
    ])
    // Whoever came second finds the repository locked; nobody breaks the other's work.
    expect([0, 11]).toContain(backup.code)
    expect([0, 11]).toContain(prune.code)
    await workspace.restic.checkAll()
    expect((await workspace.snapshots()).length).toBe(listed.length + (backup.code === 0 ? 1 : 0))
  })
})
