import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeTempDir } from './tempdir.ts'

/** The folder of an application that nobody has set up a backup for: a database and a folder of uploads. */
export function makeApplication(): string {
  const dir = makeTempDir()
  mkdirSync(join(dir, 'prisma'))
  const database = new DatabaseSync(join(dir, 'prisma/dev.db'))
  database.exec('CREATE TABLE users (name); INSERT INTO users VALUES (1), (2)')
  database.close()
  mkdirSync(join(dir, 'uploads'))
  writeFileSync(join(dir, 'uploads/a.txt'), 'a')
  return dir
}
