import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { drain } from '../../../test/helpers/drained-snapshot.ts'
import { withoutPrivileges } from '../../../test/helpers/unprivileged.ts'
import { SqliteSource } from './sqlite-source.ts'

it('captures a WAL database in a folder where nothing can be written', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-read-only-'))
  try {
    const [media, own] = [join(folder, 'media'), join(folder, 'own')]
    mkdirSync(media)
    mkdirSync(own)
    const db = new DatabaseSync(join(media, 'app.db'))
    db.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)')
    db.close()
    chmodSync(join(media, 'app.db'), 0o444)
    chmodSync(media, 0o555)
    chmodSync(own, 0o777)
    let tables: unknown
    await withoutPrivileges(folder, async () => {
      const { manifest } = await drain(new SqliteSource('app', { path: join(media, 'app.db') }, { baseDir: own }), own)
      tables = manifest.database?.tables.map(({ name, rows }) => [name, rows])
    })
    expect(tables).toEqual([['t', 2]])
    expect(readdirSync(media)).toEqual(['app.db'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
