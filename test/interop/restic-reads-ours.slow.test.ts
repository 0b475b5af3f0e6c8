import { appendFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { digestFile, digestTree } from '../helpers/tree-digest.ts'
import { pseudoRandom, readNotes, Workspace } from '../helpers/workspace.ts'

describe.skipIf(skipRestic)('restic on a repository that we wrote', () => {
  let workspace: Workspace
  beforeEach(async () => {
    workspace = new Workspace()
    workspace.makeDatabase(3000)
    workspace.makeDocs()
    await workspace.run('init', '--yes')
  })

  it('restores a database of every page-copying type byte for byte as we do', async () => {
    const states: Array<{ id: string; notes: unknown[] }> = []
    for (const type of ['full', 'incremental', 'differential', 'incremental']) {
      workspace.change("UPDATE notes SET text = 'changed' || hex(randomblob(20)) WHERE id % 97 = abs(random() % 97)")
      workspace.addNotes(200)
      const id = await workspace.backup('app', '--type', type)
      states.push({ id, notes: readNotes(workspace.database) })
    }
    await workspace.restic.checkAll()
    for (const { id, notes } of states) {
      const [ours, theirs] = await restoreBoth(workspace, 'app', id)
      expect(digestFile(join(theirs, 'app/app.db'))).toBe(digestFile(ours))
      expect(readNotes(ours)).toEqual(notes)
    }
  })

  it('gives the text of schema and data backups', async () => {
    const schema = await workspace.backup('app', '--type', 'schema')
    const data = await workspace.backup('app', '--type', 'data')
    await workspace.restic.checkAll()
    for (const [id, word] of [
      [schema, 'CREATE TABLE'],
      [data, 'INSERT INTO'],
    ] as const) {
      const listed = await workspace.restic.run('ls', id, '/app')
      const file = listed.split('\n').find(line => line.startsWith('/app/'))
      expect(file).toBeDefined()
      expect(await workspace.restic.run('dump', id, file ?? '')).toContain(word)
    }
  })

  it('restores a folder with its modes, times and links as we do', async () => {
    const first = { id: await workspace.backup('docs', '--type', 'full'), tree: digestTree(workspace.docs) }
    writeFileSync(join(workspace.docs, 'new.bin'), pseudoRandom(300_000, 5))
    appendFileSync(join(workspace.docs, 'file-900000.bin'), 'more')
    rmSync(join(workspace.docs, 'file-4095.bin'))
    const second = { id: await workspace.backup('docs'), tree: digestTree(workspace.docs) }
    await workspace.restic.checkAll()
    for (const { id, tree } of [first, second]) {
      const [ours, theirs] = await restoreBoth(workspace, 'docs', id)
      expect(digestTree(ours)).toEqual(tree)
      expect(digestTree(join(theirs, 'docs'))).toEqual(tree)
    }
  })

  it('finds it whole after forget and prune, and the kept snapshot restorable', async () => {
    for (let round = 0; round < 4; round++) {
      workspace.change(`UPDATE notes SET text = hex(randomblob(150)) WHERE id % 4 = ${round}`)
      writeFileSync(join(workspace.docs, 'each-time.bin'), pseudoRandom(500_000, round))
      await workspace.run('backup')
    }
    const before = await storedBytes(workspace)
    await workspace.run('forget', 'app', '--keep-last', '1', '--prune')
    await workspace.run('forget', 'docs', '--keep-last', '1')
    await workspace.restic.checkAll()
    await workspace.run('prune')
    await workspace.restic.checkAll()
    expect(await storedBytes(workspace)).toBeLessThan(before)
    const snapshots = await workspace.snapshots()
    expect(new Set(snapshots.map(one => one.source))).toEqual(new Set(['app', 'docs']))
    expect(await workspace.restic.snapshots()).toHaveLength(2)
    const app = snapshots.find(one => one.source === 'app')?.id ?? ''
    const [ours, theirs] = await restoreBoth(workspace, 'app', app)
    expect(readNotes(ours)).toEqual(readNotes(workspace.database))
    expect(digestFile(join(theirs, 'app/app.db'))).toBe(digestFile(ours))
  })

  it('adds to it with our chunker polynomial, and finds its own data again', async () => {
    await workspace.run('backup')
    const folder = workspace.path('theirs')
    renameSync(workspace.docs, folder)
    writeFileSync(join(folder, 'big.bin'), pseudoRandom(20_000_000, 77))
    await workspace.restic.run('backup', folder)
    const after = await storedBytes(workspace)
    // Shifted by one byte: only content-defined cutting with the same polynomial finds the rest again, after the first
    // chunk (of at most 8 MiB).
    writeFileSync(join(folder, 'big.bin'), Buffer.concat([Buffer.from('x'), pseudoRandom(20_000_000, 77)]))
    await workspace.restic.run('backup', folder)
    expect((await storedBytes(workspace)) - after).toBeLessThan(10_000_000)
    await workspace.restic.checkAll()
    await workspace.run('check', '--read-data')
    const theirs = (await workspace.restic.snapshots()).at(-1)?.id ?? ''
    await workspace.run('restore', '-', theirs, '--to', workspace.path('out'))
    expect(digestTree(join(workspace.path('out'), folder))).toEqual(digestTree(folder))
  })

  it('forgets and prunes in it, and we go on', async () => {
    for (let round = 0; round < 3; round++) {
      workspace.change(`UPDATE notes SET text = hex(randomblob(150)) WHERE id % 3 = ${round}`)
      await workspace.run('backup')
    }
    await workspace.restic.run('forget', '--keep-last', '1', '--tag', 'source:app', '--prune')
    const notes = readNotes(workspace.database)
    const [left] = await workspace.snapshots('app')
    await workspace.run('check', '--read-data')
    workspace.addNotes(50)
    const next = await workspace.backup('app')
    await workspace.restic.checkAll()
    await workspace.run('restore', 'app', left?.id ?? '', '--to', workspace.path('left.db'))
    expect(readNotes(workspace.path('left.db'))).toEqual(notes)
    await workspace.run('restore', 'app', next, '--to', workspace.path('next.db'))
    expect(readNotes(workspace.path('next.db'))).toHaveLength(notes.length + 50)
  })

  it('opens it with a password that we added, and no longer with one that we removed', async () => {
    await workspace.run('backup', 'docs')
    writeFileSync(workspace.path('second'), 'another one', { mode: 0o600 })
    await workspace.run('key', 'add', '--new-password-file', workspace.path('second'))
    const { Restic } = await import('../helpers/restic.ts')
    const second = new Restic(workspace.dir, workspace.repository, 'another one')
    expect(await second.snapshots()).toHaveLength(1)
    const { keys } = await workspace.json<{ keys: Array<{ id: string; current: boolean }> }>('key', 'list')
    expect(keys).toHaveLength(2)
    workspace.setPassword('another one')
    await workspace.run('key', 'remove', keys.find(key => key.current)?.id ?? '')
    expect((await workspace.restic.try('snapshots')).code).not.toBe(0)
    await second.checkAll()
  })
})

/** The same snapshot, brought back by us and by restic. */
async function restoreBoth(workspace: Workspace, source: string, id: string): Promise<[ours: string, theirs: string]> {
  const ours = workspace.path(`ours-${id}`)
  const theirs = workspace.path(`theirs-${id}`)
  await workspace.run('restore', source, id, '--to', ours)
  await workspace.restic.restore(id, theirs)
  const manifest = JSON.parse(readFileSync(join(theirs, '.lifeboat/manifest.json'), 'utf8')) as { source: string }
  expect(manifest.source).toBe(source)
  return [ours, theirs]
}

async function storedBytes(workspace: Workspace): Promise<number> {
  const stats = JSON.parse(await workspace.restic.run('stats', '--mode', 'raw-data', '--json')) as {
    total_size: number
  }
  return stats.total_size
}
