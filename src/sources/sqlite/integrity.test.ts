import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { makeTempDir } from '../../../test/helpers/drained-snapshot.ts'
import { IMPERFECT, makeDatabase, UNEVALUABLE } from '../../../test/helpers/imperfect-databases.ts'
import { judgeDatabase, judgeReadOnly } from './integrity.ts'

const named = (failures: ReturnType<typeof judgeDatabase>): string[] =>
  failures.map(({ kind, object }) => `${kind} ${object}`)

it.each(IMPERFECT)(
  'finds $what, with a connection that writes and with one that reads',
  async ({ sql, spoil, found }) => {
    const dir = await makeTempDir()
    try {
      const path = join(dir, 'app.db')
      makeDatabase(path, sql, spoil)
      const db = new DatabaseSync(path)
      expect(named(judgeDatabase(db, 'integrity_check'))).toEqual([found])
      db.close()
      const reading = new DatabaseSync(path, { readOnly: true })
      expect(named(judgeReadOnly(reading, 'integrity_check'))).toEqual([found])
      reading.close()
    } finally {
      rmSync(dir, { recursive: true })
    }
  },
)

it.each(UNEVALUABLE)('says which table it cannot check for $what, and checks the others', async ({ sql, spoil }) => {
  const dir = await makeTempDir()
  try {
    const path = join(dir, 'app.db')
    makeDatabase(path, `${sql}; CREATE TABLE other (v INT); INSERT INTO other VALUES (NULL)`, db => {
      spoil(db)
      spoilOther(db)
    })
    const db = new DatabaseSync(path)
    expect(named(judgeDatabase(db, 'integrity_check'))).toEqual(['constraint other', 'unevaluable t'])
    db.close()
  } finally {
    rmSync(dir, { recursive: true })
  }
})

function spoilOther(db: DatabaseSync): void {
  db.exec(`PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE TABLE other (v INT NOT NULL)' WHERE name = 'other';
    PRAGMA writable_schema = RESET`)
}
