import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { skipRestic } from '../helpers/restic.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { Workspace } from '../helpers/workspace.ts'

/** Everything about a folder that neither program may lose. */
function makeOddFolder(folder: string): void {
  mkdirSync(join(folder, 'closed'), { recursive: true })
  writeFileSync(join(folder, 'closed/file'), 'inside')
  chmodSync(join(folder, 'closed/file'), 0o400)
  const odd = [[0xff, 0xfe], [0x80], [0xed, 0xa0, 0x80], [0x22, 0x5c, 0x0a, 0x07], [0xc3, 0xa9, 0xc3]]
  for (const bytes of odd) writeFileSync(Buffer.concat([Buffer.from(`${folder}/odd-`), Buffer.from(bytes)]), `${bytes}`)
  mkdirSync(Buffer.concat([Buffer.from(`${folder}/dir-`), Buffer.from([0xfd])]))
  writeFileSync(join(folder, 'one'), 'hard linked')
  linkSync(join(folder, 'one'), join(folder, 'two'))
  writeFileSync(join(folder, 'sparse'), 'begins')
  truncateSync(join(folder, 'sparse'), 5_000_000)
  execFileSync('mkfifo', [join(folder, 'pipe')])
  chmodSync(join(folder, 'one'), 0o4711)
  utimesSync(join(folder, 'closed'), 1_500_000_000.25, 1_500_000_000.25)
  try {
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(folder, 'one')], { stdio: 'ignore' })
  } catch {
    // Neither the tool nor attributes are everywhere; the rest of the folder is.
  }
}

/** Attributes and hard links, which the digest of a tree does not show. */
function describeLinks(folder: string): string[] {
  const links = readdirSync(folder, { encoding: 'buffer' }).map(name => {
    const stat = lstatSync(Buffer.concat([Buffer.from(`${folder}/`), name]))
    return stat.isDirectory() ? '' : `${name.toString('latin1')} ${stat.nlink}`
  })
  try {
    return [...links, execFileSync('getfattr', ['-d', 'one'], { cwd: folder, stdio: 'pipe' }).toString()]
  } catch {
    return links
  }
}

describe.skipIf(skipRestic)('a folder with all that a folder can have', () => {
  let workspace: Workspace
  let digest: string[]
  let links: string[]

  beforeEach(() => {
    workspace = new Workspace()
    makeOddFolder(workspace.docs)
    digest = digestTree(workspace.docs)
    links = describeLinks(workspace.docs)
  })

  const expectSame = (folder: string): void => {
    expect(digestTree(folder)).toEqual(digest)
    expect(describeLinks(folder)).toEqual(links)
  }

  it('is restored by restic from our backup, and by us', async () => {
    workspace.makeDatabase(1)
    await workspace.run('init', '--yes')
    const id = await workspace.backup('docs')
    await workspace.restic.checkAll()
    await workspace.restic.restore(id, workspace.path('theirs'))
    expectSame(join(workspace.path('theirs'), 'docs'))
    await workspace.run('restore', 'docs', id, '--to', workspace.path('ours'))
    expectSame(workspace.path('ours'))
  })

  it('is restored by us from restic’s backup', async () => {
    await workspace.restic.init(2)
    await workspace.restic.run('backup', workspace.docs)
    const [snapshot] = await workspace.snapshots()
    await workspace.run('restore', '-', snapshot?.id ?? '', '--to', workspace.path('out'))
    expectSame(join(workspace.path('out'), workspace.docs))
  })
})
