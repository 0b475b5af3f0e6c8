import { chmod, chown, lstat, mkdir, mkdtemp, open, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findStrangersFiles, giveAllBelow, giveFile, giveFolder, ownerOfFolder } from './folder-owner.ts'

const USER = 4711
const GROUP = 4712
const isRoot = process.geteuid?.() === 0

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-owner-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function makeIn(parent: string, name: string): Promise<string> {
  const owner = await ownerOfFolder(parent)
  await using file = await open(join(parent, name), 'wx', 0o600)
  await giveFile(file, owner)
  await mkdir(join(parent, `${name}-folder`), { mode: 0o700 })
  await giveFolder(join(parent, `${name}-folder`), owner)
  return look(parent, name)
}

async function look(parent: string, name: string): Promise<string> {
  const [file, below] = [await stat(join(parent, name)), await stat(join(parent, `${name}-folder`))]
  const modes = [file.mode & 0o7777, below.mode & 0o7777].map(mode => mode.toString(8))
  return `${file.uid}:${file.gid} ${modes[0]}, ${below.uid}:${below.gid} ${modes[1]}`
}

describe.skipIf(!isRoot)('what root makes in a folder', () => {
  test.each<[string, number, number, number, string]>([
    ['of root stays private', 0, 0, 0o755, '0:0 600, 0:0 700'],
    ['of a user is the user’s', USER, GROUP, 0o700, `${USER}:${GROUP} 600, ${USER}:${GROUP} 700`],
    [
      'of a user that others may read is private all the same',
      USER,
      GROUP,
      0o755,
      `${USER}:${GROUP} 600, ${USER}:${GROUP} 700`,
    ],
    ['that a group shares is shared', 0, GROUP, 0o2770, `0:${GROUP} 660, 0:${GROUP} 2770`],
    ['that a user’s group shares is shared', USER, GROUP, 0o770, `${USER}:${GROUP} 660, ${USER}:${GROUP} 770`],
    ['like /tmp is shared with nobody', 0, 0, 0o1777, '0:0 600, 0:0 700'],
  ])('%s', async (_name, uid, gid, mode, expected) => {
    const parent = join(folder, 'parent')
    await mkdir(parent)
    await chown(parent, uid, gid)
    await chmod(parent, mode)
    expect(await makeIn(parent, 'made')).toBe(expected)
  })

  test('is given all at once, but not what a link leads to', async () => {
    const [state, outside] = [join(folder, 'state'), join(folder, 'outside')]
    await mkdir(join(state, 'a/b'), { recursive: true })
    await writeFile(join(state, 'a/b/file'), '')
    await writeFile(outside, '')
    await symlink(outside, join(state, 'link'))
    await giveAllBelow(state)
    expect((await stat(join(state, 'a'))).uid).toBe(0)
    await chown(state, USER, GROUP)
    expect(await findStrangersFiles(state)).toMatchObject({ count: 3, owner: { uid: USER, gid: GROUP } })
    await giveAllBelow(state)
    for (const path of ['a', 'a/b', 'a/b/file']) expect((await stat(join(state, path))).uid).toBe(USER)
    expect((await stat(outside)).uid).toBe(0)
    expect((await lstat(join(state, 'link'))).uid).toBe(0)
    expect(await findStrangersFiles(state)).toBeUndefined()
  })

  test('and shares with a group is no stranger’s', async () => {
    await chown(folder, USER, GROUP)
    await chmod(folder, 0o2770)
    await writeFile(join(folder, 'shared'), '')
    await chown(join(folder, 'shared'), 0, GROUP)
    await chmod(join(folder, 'shared'), 0o660)
    expect(await findStrangersFiles(folder)).toBeUndefined()
    await chmod(join(folder, 'shared'), 0o600)
    expect(await findStrangersFiles(folder)).toMatchObject({ count: 1, example: join(folder, 'shared') })
  })
})

test('what is made in a folder of one’s own is private', async () => {
  const own = `${process.getuid?.()}:${(await stat(folder)).gid}`
  expect(await makeIn(folder, 'made')).toBe(`${own} 600, ${own} 700`)
})
