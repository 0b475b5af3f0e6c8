import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { SmallDisk, skipSmallDisk } from '../helpers/small-disk.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

const MB = 1_000_000

describe.skipIf(skipRestic || skipSmallDisk)('a full disk', () => {
  it.each([8, 20, 30])('under the repository, at %i MB: an error, and with space again all is well', async size => {
    const workspace = new Workspace()
    const disk = new SmallDisk(workspace.repository, size * MB)
    workspace.makeDocs()
    await workspace.run('init', '--yes')
    const before = await workspace.backup('docs')
    writeFileSync(join(workspace.docs, 'large.bin'), pseudoRandom(40 * MB, 1))
    await expectFull(workspace, 'backup', 'docs')
    expect((await workspace.snapshots()).map(one => one.id)).toEqual([before])
    disk.resize(200 * MB)
    await workspace.run('backup', 'docs')
    await workspace.restic.checkAll()
    await workspace.run('prune')
    await workspace.restic.checkAll()
    await workspace.run('restore', 'docs', 'latest', '--to', workspace.path('again'))
    expect(digestTree(workspace.path('again'))).toEqual(digestTree(workspace.docs))
  })

  it('while pruning: nothing is lost, and the space can be had again', async () => {
    const workspace = new Workspace()
    const disk = new SmallDisk(workspace.repository, 60 * MB)
    workspace.makeDatabase(20_000)
    await workspace.run('init', '--yes')
    for (let round = 0; round < 3; round++) {
      workspace.change(`UPDATE notes SET text = hex(randomblob(300)) WHERE id / 40 % 3 = ${round}`)
      await workspace.run('backup', 'app')
    }
    await workspace.run('forget', 'app', '--keep-last', '1')
    disk.fill()
    const pruned = await workspace.try('prune', '--max-unused', '0%')
    expect([0, 1]).toContain(pruned.code)
    disk.unfill()
    await workspace.restic.checkAll()
    await workspace.run('prune')
    await workspace.restic.checkAll()
    await workspace.run('restore', 'app', 'latest', '--to', workspace.path('again.db'))
    expect(readNotes(workspace.path('again.db'))).toEqual(readNotes(workspace.database))
  })

  it('under the target of a restore: an error, nothing half done, then it goes through', async () => {
    const workspace = new Workspace()
    workspace.makeDatabase(40_000)
    await workspace.run('init', '--yes')
    await workspace.run('backup', 'app')
    const disk = new SmallDisk(workspace.path('small'), 4 * MB)
    const target = join(disk.folder, 'again.db')
    await expectFull(workspace, 'restore', 'app', 'latest', '--to', target)
    expect(readdirSync(disk.folder)).not.toContain('again.db')
    disk.resize(100 * MB)
    await workspace.run('restore', 'app', 'latest', '--to', target)
    expect(readdirSync(disk.folder)).toEqual(['again.db'])
  })
})

/** It ends with status 1 and says that there is no space, without a stack. */
async function expectFull(workspace: Workspace, ...args: string[]): Promise<void> {
  const { code, stderr } = await workspace.try(...args)
  if (code !== 1 || !/space|full/.test(stderr) || /\n\s+at /.test(stderr)) {
    throw new Error(`ended with ${code}: ${stderr}`)
  }
}
