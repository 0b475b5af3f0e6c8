import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { withoutPrivileges } from '../../../test/helpers/unprivileged.ts'
import { closeDatabaseFile, openDatabaseFile } from './database-file.ts'
import { refuseForeignFiles } from './foreign-files.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lifeboat-foreign-'))
  path = join(folder, 'app.db')
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t(x)')
  db.close()
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

async function look(): Promise<void> {
  const file = await openDatabaseFile(path)
  try {
    await refuseForeignFiles(file)
  } finally {
    await closeDatabaseFile(file)
  }
}

test('the owner of a database makes its files', async () => {
  await expect(look()).resolves.toBeUndefined()
})

describe.skipIf(process.geteuid?.() !== 0)('another user than the owner (needs root to make one)', () => {
  const asAnother = (prepare: () => void): Promise<void> =>
    withoutPrivileges(folder, async () => {
      process.seteuid?.(0)
      chownSync(path, 1000, 1000)
      prepare()
      process.seteuid?.(65_534)
      await look()
    })

  test('is refused where it would leave files that the owner cannot write', async () => {
    await expect(asAnother(() => chmodSync(path, 0o644))).rejects.toMatchObject({ code: 'source-unreachable' })
    expect(readdirSync(folder)).toEqual(['app.db'])
  })

  test.each([
    ['the files are there', () => ['-wal', '-shm'].forEach(suffix => writeFileSync(path + suffix, ''))],
    ['everybody may write', () => chmodSync(path, 0o666)],
    [
      'the group of the folder shares it',
      () => {
        chownSync(folder, 65_534, 1000)
        chmodSync(folder, 0o2770)
        chmodSync(path, 0o664)
        process.setegid?.(65_534)
      },
    ],
  ])('goes on where %s', async (_name, prepare) => {
    await expect(asAnother(prepare)).resolves.toBeUndefined()
  })
})
