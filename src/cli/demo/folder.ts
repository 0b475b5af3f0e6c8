import { copyFileSync, existsSync, lstatSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { packageFile } from '../../base/package.ts'

export const SAMPLE = packageFile('examples/chinook/Chinook_Sqlite.sqlite')

/** What shows that a folder is the demo's own, so that it may be made anew. */
const MARK = '.lifeboat-demo'
const OWN_FILES = ['shop.db', 'shop.db-wal', 'shop.db-shm', 'lifeboat.yaml', 'backups', '.lifeboat', '.gitignore', MARK]

const CONFIG = `# Made by "lifeboat demo". Yours to play with: the next demo in this folder makes it anew.
repositories:
  main: { url: ./backups, passwordFile: ./.lifeboat/password }
sources:
  shop: { kind: sqlite, path: ./shop.db }
policies:
  nightly:
    sources: [shop]
    repositories: [main]
    schedule: "0 2 * * *"
    keep: { daily: 7, weekly: 4, monthly: 12 }
`

/**
 * A folder with the sample database and its configuration. Only a folder that is new, empty, or an earlier demo's is
 * used; of the latter, only what the demo itself made is replaced.
 */
export async function prepareFolder(dir: string): Promise<void> {
  try {
    assertOurs(dir)
    await makeFolders(dir, 0o700)
    for (const name of OWN_FILES) rmSync(join(dir, name), { recursive: true, force: true })
    writeFileSync(join(dir, MARK), 'This folder was made by "lifeboat demo".\n')
    writeFileSync(join(dir, 'lifeboat.yaml'), CONFIG)
    copyFileSync(SAMPLE, join(dir, 'shop.db'))
  } catch (error) {
    if (isAppError(error) || systemCode(error) === undefined) throw error
    throw new AppError('target-invalid', `cannot prepare ${dir}: ${messageOf(error)}`, {
      hint: 'Choose another folder: lifeboat demo --dir FOLDER.',
      cause: error,
    })
  }
}

function assertOurs(dir: string): void {
  const found = lstatSync(dir, { throwIfNoEntry: false })
  if (found === undefined) return
  if (found.isDirectory() && (existsSync(join(dir, MARK)) || readdirSync(dir).length === 0)) return
  throw new AppError('target-exists', `${dir} exists, and no demo made it`, {
    hint: 'Choose another folder: lifeboat demo --dir FOLDER.',
  })
}
