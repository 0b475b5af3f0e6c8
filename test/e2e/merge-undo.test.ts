import { writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import { readNotes, Workspace } from '../helpers/workspace.ts'

/** An application that writes between a merge and its undo, through the real commands. */
describe('undo of a merge into SQLite', { timeout: 60_000 }, () => {
  let workspace: Workspace

  beforeEach(async () => {
    workspace = new Workspace()
    workspace.makeDatabase(20)
    workspace.change('CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person VALUES (1, NULL)')
    await workspace.run('init', '--yes')
    await workspace.backup('app')
  })

  const merge = (): Promise<{ run: string }> => workspace.json('restore', 'app', '--strategy', 'merge', '--yes')

  function counts(): unknown {
    const db = new DatabaseSync(workspace.database, { readOnly: true })
    try {
      return db.prepare('SELECT (SELECT count(*) FROM notes) AS notes, (SELECT count(*) FROM person) AS person').get()
    } finally {
      db.close()
    }
  }

  it('leaves what was written to tables that it merged no row into, and counts the rest', async () => {
    workspace.change('DELETE FROM notes WHERE id > 15')
    await merge()
    workspace.change("INSERT INTO person VALUES (2, 'new'); INSERT INTO notes (text) VALUES ('new'), ('newer')")
    const asked = await workspace.try('undo')
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining('2 rows were written in 1 table: notes 2')])
    const undone = await workspace.json<{ run: string; written: unknown }>('undo', '--yes')
    expect(undone.written).toEqual([{ name: 'notes', written: 2, gone: 0 }])
    expect(counts()).toEqual({ notes: 15, person: 2 })
    await workspace.run('undo', undone.run, '--yes')
    expect(counts()).toEqual({ notes: 22, person: 2 })
  })

  it('says that something was written where the number of rows is the same', async () => {
    workspace.change('DELETE FROM notes WHERE id > 15')
    await merge()
    workspace.change("UPDATE notes SET text = 'mine' WHERE id = 1")
    const asked = await workspace.try('undo')
    expect(asked.stderr).toContain('something was written to notes (not counted)')
  })

  it('has nothing to do where it merged nothing', async () => {
    const { run } = await merge()
    workspace.change("INSERT INTO person VALUES (2, 'new')")
    const refused = await workspace.try('undo', run, '--yes')
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('changed nothing at')])
    expect(await workspace.run('undo', '--list')).toContain('it changed nothing')
    expect(counts()).toEqual({ notes: 20, person: 2 })
  })

  it('names what an application wrote before a merge was taken back', async () => {
    const hook = `sqlite3 app.db "INSERT INTO notes (text) VALUES ('lost?')"; exit 1`
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n' +
        `  app: { kind: sqlite, path: ./app.db, restore: { after: { command: [sh, -c, ${JSON.stringify(hook)}] } } }\n`,
    )
    workspace.change('DELETE FROM notes WHERE id > 15')
    const failed = await workspace.try('restore', 'app', '--strategy', 'merge', '--yes')
    const [, id = ''] = /wrote to it meanwhile, is snapshot (\w+)/.exec(failed.stderr) ?? []
    await workspace.run('restore', 'app', id, '--to', './aside.db')
    expect(
      readNotes(workspace.path('aside.db'))
        .map(each => JSON.stringify(each))
        .join(),
    ).toContain('lost?')
  })
})
