import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failFolderSyncs } from '../../test/helpers/folder-sync.ts'
import { withoutPrivileges } from '../../test/helpers/unprivileged.ts'
import { syncFile, syncFolder } from './durable.ts'
import { createNewFile, replaceFile } from './new-file.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-durable-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('a folder that cannot be synced', () => {
  it.each(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY'])(
    'is forgiven where it is unsupported: %s',
    async code => {
      const refused = await failFolderSyncs(code)
      await syncFolder(dir)
      await syncFolder(Buffer.from(dir))
      expect(await createNewFile(join(dir, 'new'), 'x', 0o600)).toBe(true)
      await replaceFile(join(dir, 'new'), 'y', 0o600)
      expect(refused()).toBe(4)
    },
  )

  it.each(['EIO', 'ENOSPC', 'EDQUOT', 'EROFS'])('is an error where the disk failed: %s', async code => {
    await failFolderSyncs(code)
    await expect(syncFolder(dir)).rejects.toMatchObject({ code })
    await expect(replaceFile(join(dir, 'new'), 'y', 0o600)).rejects.toMatchObject({ code })
  })

  it('is an error where there is none', async () => {
    await expect(syncFolder(join(dir, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

it('syncs a file that nobody may write to', async () => {
  const path = join(dir, 'file')
  writeFileSync(path, 'x', { mode: 0o400 })
  await syncFile(path)
  await expect(syncFile(join(dir, 'gone'))).rejects.toMatchObject({ code: 'ENOENT' })
})

it('passes over a folder that may be written to but not listed', async () => {
  const closed = join(dir, 'closed')
  mkdirSync(closed, { mode: 0o300 })
  await withoutPrivileges(dir, async () => {
    await expect(readdir(closed)).rejects.toMatchObject({ code: 'EACCES' })
    await syncFolder(closed)
  })
})
