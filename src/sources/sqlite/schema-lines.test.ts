import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { putTriggersAside, SchemaLines } from './schema-lines.ts'

const SCHEMA = `CREATE TABLE "Ärger" (id INTEGER PRIMARY KEY, v TEXT UNIQUE); CREATE TABLE log (what TEXT);
  CREATE INDEX by_v ON "Ärger" (v);
  CREATE TRIGGER b AFTER INSERT ON "Ärger" BEGIN INSERT INTO log VALUES ('b'); END;
  CREATE TRIGGER a AFTER INSERT ON "Ärger" BEGIN INSERT INTO log VALUES ('a'); END;
  CREATE VIEW shown AS SELECT * FROM "Ärger";
  CREATE TRIGGER c INSTEAD OF INSERT ON shown BEGIN INSERT INTO log VALUES ('c'); END`

function open(): DatabaseSync {
  const db = new DatabaseSync(':memory:', { defensive: false })
  db.exec(SCHEMA)
  return db
}

it('tells what a table has, by its name in any case as SQLite knows case', () => {
  const lines = new SchemaLines(open())
  expect(lines.of('ÄRGER', 'index', 'trigger').map(({ name }) => name)).toEqual(['by_v', 'b', 'a'])
  expect(lines.of('ärger', 'index')).toEqual([])
  expect(lines.names.has('by_v')).toBe(true)
})

it('puts triggers aside, and back as they were', () => {
  const db = open()
  const triggers = (): unknown[] => db.prepare("SELECT * FROM sqlite_schema WHERE type = 'trigger'").all()
  const logged = (): unknown[] => db.prepare('SELECT what FROM log').all()
  const before = triggers()
  db.exec('BEGIN')
  const putBack = putTriggersAside(db)
  expect(triggers()).toEqual([])
  db.exec(`INSERT INTO "Ärger" (v) VALUES ('quiet'); CREATE TABLE made (id)`)
  expect(logged()).toEqual([])
  putBack()
  db.exec('COMMIT')
  expect(triggers()).toEqual(before)
  db.exec(`INSERT INTO "Ärger" (v) VALUES ('loud'); INSERT INTO shown (v) VALUES ('seen')`)
  expect(logged()).toHaveLength(3)
})
