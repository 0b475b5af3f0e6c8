import { mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { refuseReserved } from './reserved.ts'

let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'lifeboat-reserved-')))
  await mkdir(join(folder, 'repo/data'), { recursive: true })
  await symlink(join(folder, 'repo'), join(folder, 'link'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

test.each(['repo', 'repo/', 'repo/config', 'repo/data/not/yet', 'link/data', 'link/new'])(
  '%s is refused',
  async path => {
    await expect(refuseReserved(join(folder, path), [join(folder, 'repo')])).rejects.toMatchObject({
      code: 'target-invalid',
    })
    await expect(refuseReserved(join(folder, path), [join(folder, 'link')])).rejects.toMatchObject({
      code: 'target-invalid',
    })
  },
)

test.each(['', 'repository', 'out', 'out/repo', 'repo/../out'])('"%s" is not', async path => {
  await expect(refuseReserved(join(folder, path), [join(folder, 'repo')])).resolves.toBeUndefined()
})
