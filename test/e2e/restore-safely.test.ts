import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { beforeEach, describe, expect, it } from 'vitest'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { type CommandResult, runLifeboat } from '../helpers/spawn.ts'
import { prepareWorkspace, readNotes, type Workspace } from '../helpers/workspace.ts'

/** Restores that never make things worse, through the real commands. Hooks run in the command's own process group. */
describe('a restore over what is there', () => {
  let workspace: Workspace
  let before: unknown[]
  let after: unknown[]

  const copyPrepared = prepareWorkspace(async prepared => {
    prepared.makeDatabase(50)
    prepared.makeDocs()
    await prepared.run('init', '--yes')
    await prepared.run('backup', 'app')
  })
  beforeEach(() => {
    workspace = copyPrepared()
    before = readNotes(workspace.database)
    workspace.addNotes(7)
    after = readNotes(workspace.database)
  })

  /** `stop` and `start` are shell scripts; `$PPID` is the command that is restoring. */
  function hooks(stop: string, start: string): void {
    const hook = (script: string): string => `{ command: [sh, -c, ${JSON.stringify(script)}] }`
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n' +
        `  app: { kind: sqlite, path: ./app.db, restore: { before: ${hook(stop)}, after: ${hook(start)} } }\n` +
        '  docs: { kind: files, path: ./docs }\n',
    )
  }

  const log = (): string[] => readFileSync(workspace.path('hooks'), 'utf8').trim().split('\n')
  const mark = (word: string): string => `echo ${word} >> '${workspace.path('hooks')}'`
  const now = (): unknown[] => readNotes(workspace.database)
  const besides = (): string[] => readdirSync(workspace.dir).filter(name => name.startsWith('app.db.'))

  async function undo(...args: string[]): Promise<CommandResult> {
    return workspace.try('undo', '--yes', ...args)
  }

  it('asks first, and says what would be gone', async () => {
    const refused = await workspace.try('restore', 'app')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--yes')])
    const plan = await workspace.json('restore', 'app', '-n')
    expect(plan).toMatchObject({
      outcome: 'planned',
      tables: [{ rows: expect.arrayContaining([['rows of notes', '57', '50', '7', '', '']]) }],
    })
    expect(now()).toEqual(after)
    expect(await workspace.json('undo', '--list')).toEqual([])
  })

  it('is taken back by undo, and the undo by another one', async () => {
    const done = await workspace.json<{ run: string; safetySnapshot: string }>('restore', 'app', '--yes')
    expect(JSON_OUTPUTS.restore.safeParse(done).success).toBe(true)
    expect(now()).toEqual(before)
    const safety = (await workspace.snapshots('app')).find(each => each.id === done.safetySnapshot)
    expect(safety).toMatchObject({ tags: ['safety'] })
    const undone = await workspace.json<{ run: string; undone: string }>('undo', '--yes')
    expect([undone.undone, now()]).toEqual([done.run, after])
    const again = await undo(done.run.slice(0, 8))
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('was undone already')])
    expect((await undo(undone.run.slice(0, 8))).code).toBe(0)
    expect([now(), besides()]).toEqual([before, []])
  })

  it('writes in place with --force, also when --yes is said too', async () => {
    const done = await workspace.json('restore', 'app', '--force', '--yes')
    expect(done).toMatchObject({ strategy: 'in-place' })
    expect(now()).toEqual(before)
  })

  it('is not taken back where its folder is gone', async () => {
    const folder = workspace.path('elsewhere')
    mkdirSync(folder)
    copyFileSync(workspace.database, join(folder, 'app.db'))
    await workspace.run('restore', 'app', '--to', join(folder, 'app.db'), '--yes')
    rmSync(folder, { recursive: true })
    for (const [args, said] of [
      [[], '--to'],
      [[''], 'empty'],
    ] as const) {
      const refused = await undo(...args)
      expect([refused.code, refused.stderr]).toEqual([expect.any(Number), expect.stringContaining(said)])
      expect(refused.code).not.toBe(0)
    }
    expect([existsSync(folder), now()]).toEqual([false, after])
  })

  it('says that a record of it cannot be read', async () => {
    await workspace.run('restore', 'app', '--yes')
    const [name = ''] = readdirSync(workspace.path('.lifeboat/restores'))
    writeFileSync(workspace.path('.lifeboat/restores', name), '{')
    expect((await workspace.try('undo', '--list')).stderr).toContain(name)
  })

  it('never takes a safety point for the latest', async () => {
    await workspace.run('restore', 'app', '--yes')
    await workspace.run('restore', 'app', '--yes')
    expect(now()).toEqual(before)
  })

  it('keeps a database that cannot be captured, and gives it back as it was', async () => {
    writeFileSync(workspace.database, 'no database any more')
    for (const end of ['-wal', '-shm']) expect(existsSync(workspace.database + end)).toBe(false)
    const { stdout } = await workspace.try('restore', 'app', '--yes')
    expect(stdout).toContain('could not be captured')
    expect([now(), besides()]).toEqual([before, [expect.stringMatching(/^app\.db\.before-[0-9a-f]{8}$/)]])
    expect((await undo()).code).toBe(0)
    expect(readFileSync(workspace.database, 'utf8')).toBe('no database any more')
  })

  it('refuses to put a database into a folder that lies at its place', async () => {
    for (const end of ['', '-wal', '-shm']) rmSync(workspace.database + end, { force: true })
    mkdirSync(workspace.database)
    const failed = await workspace.try('restore', 'app', '--yes')
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('is a folder, where a file was captured')])
    expect(readdirSync(workspace.database)).toEqual([])
  })

  it('refuses what is of another engine, a folder for a file, and a place that is none', async () => {
    writeFileSync(workspace.path('notes.txt'), 'a file')
    await workspace.backup('docs')
    for (const [source, to, words] of [
      ['app', 'postgres:///app', /of kind sqlite cannot be restored to postgres/],
      ['docs', './notes.txt', /it is a file, and files are restored into a folder/],
      ['app', '', /--to is empty/],
    ] as const) {
      const failed = await workspace.try('restore', source, '--to', to, '--yes')
      expect([failed.code > 0, failed.stderr]).toEqual([true, expect.stringMatching(words)])
      expect(failed.stderr).not.toContain('bug')
    }
    expect([now(), readFileSync(workspace.path('notes.txt'), 'utf8')]).toEqual([after, 'a file'])
  })

  it('leaves a report', async () => {
    await workspace.run('restore', 'app', '--yes', '--report', workspace.path('report.html'))
    expect(readFileSync(workspace.path('report.html'), 'utf8')).toContain('lifeboat undo')
    const report = await workspace.run('report')
    expect(report).toContain('took a safety recovery point')
    expect(report).toMatch(/What was there, and what came\n +before +then/)
  })

  describe('with hooks', () => {
    it('stops the application, changes the data, starts it again', async () => {
      hooks(mark('stop'), `${mark('start')}; test -e '${workspace.database}'`)
      await workspace.run('restore', 'app', '--yes')
      expect([log(), now()]).toEqual([['stop', 'start'], before])
    })

    it('runs none for a copy elsewhere', async () => {
      hooks(mark('stop'), mark('start'))
      await workspace.run('restore', 'app', '--to', workspace.path('copy.db'))
      expect(existsSync(workspace.path('hooks'))).toBe(false)
    })

    it('runs them for its own data by whatever path', async () => {
      hooks(mark('stop'), mark('start'))
      const link = workspace.path('link')
      symlinkSync(workspace.dir, link)
      const config = ['--config', join(link, 'lifeboat.yaml')]
      expect((await runLifeboat(['restore', 'app', '--yes', ...config], { cwd: '/' })).code).toBe(0)
      expect([log(), now()]).toEqual([['stop', 'start'], before])
    })

    it('changes nothing when the first one fails', async () => {
      hooks(`${mark('stop')}; echo it will not stop >&2; exit 3`, mark('start'))
      const failed = await workspace.try('restore', 'app', '--yes')
      expect([failed.code, failed.stderr]).toEqual([
        1,
        expect.stringMatching(/it will not stop[\s\S]*Nothing was changed/),
      ])
      expect([log(), now()]).toEqual([['stop', 'start'], after])
      expect(await workspace.json('undo', '--list')).toMatchObject([{ phase: 'failed', canUndo: false }])
    })

    it('says that the application is still stopped when it does not start on what it had either', async () => {
      hooks(mark('stop'), 'echo port in use >&2; exit 4')
      const failed = await workspace.try('restore', 'app', '--yes')
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('Start the application by hand')])
      expect(now()).toEqual(after)
    })

    it('puts everything back when the application does not start on the restored data', async () => {
      hooks(mark('stop'), `${mark('start')}; test $(grep -c start '${workspace.path('hooks')}') -gt 1`)
      const failed = await workspace.try('restore', 'app', '--yes')
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('What was there is there again.')])
      expect([log(), now(), besides()]).toEqual([['stop', 'start', 'start'], after, []])
      expect(await workspace.json('undo', '--list')).toMatchObject([{ phase: 'rolled-back' }])
      expect(await workspace.run('report')).toContain('taken back')
    })

    it.each(['--yes', '--force'])(
      'killed before the change (%s): a listing says so, and settling starts the application',
      async how => {
        hooks(`${mark('stop')}; kill -9 $PPID`, mark('start'))
        expect((await workspace.try('restore', 'app', how)).signal).toBe('SIGKILL')
        expect([log(), now()]).toEqual([['stop'], after])
        for (const listing of [['snapshots'], ['undo', '--list'], ['report']]) {
          expect((await workspace.try(...listing)).stderr).toContain('lifeboat undo --settle')
        }
        expect((await workspace.try('undo', '--yes')).stderr).toContain('lifeboat undo --settle')
        expect([log(), now()]).toEqual([['stop'], after])
        const next = await workspace.try('undo', '--settle')
        expect([next.code, next.stderr]).toEqual([0, expect.stringContaining('it had changed nothing')])
        expect([log(), now()]).toEqual([['stop', 'start'], after])
        const { stderr } = await workspace.try('snapshots')
        expect(stderr).not.toContain('undo --settle')
        // Half a file that no restore needs is named until somebody removes it.
        expect(stderr.includes('app.db.lifeboat-partial')).toBe(how === '--yes')
      },
    )

    it.each(['--yes', '--force'])('killed after the change (%s): settling finishes it', async how => {
      const once = `test -e '${workspace.path('killed')}' || { touch '${workspace.path('killed')}'; kill -9 $PPID; }`
      hooks(mark('stop'), `${mark('start')}; ${once}`)
      expect((await workspace.try('restore', 'app', how)).signal).toBe('SIGKILL')
      expect([log(), now()]).toEqual([['stop', 'start'], before])
      const next = await workspace.try('undo', '--settle')
      expect([next.code, next.stderr]).toEqual([0, expect.stringContaining('it was finished')])
      expect([log(), now(), besides()]).toEqual([['stop', 'start', 'start'], before, []])
      expect((await undo()).code).toBe(0)
      expect(now()).toEqual(after)
    })

    it('killed after the change, with an application that does not start: settling puts all back', async () => {
      const starts = `test $(grep -c start '${workspace.path('hooks')}') -gt 2`
      const once = `test -e '${workspace.path('killed')}' || { touch '${workspace.path('killed')}'; kill -9 $PPID; }`
      hooks(mark('stop'), `${mark('start')}; ${once}; ${starts}`)
      await workspace.try('restore', 'app', '--yes')
      const next = await workspace.try('undo', '--settle')
      expect(next.stderr).toContain('it was taken back')
      expect([log(), now(), besides()]).toEqual([['stop', 'start', 'start', 'start'], after, []])
    })
  })

  describe('of tables', () => {
    it('replaces their rows and leaves the others', async () => {
      workspace.change('CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES (1), (2)')
      const done = await workspace.json<{ strategy: string; checks: unknown[] }>(
        'restore',
        'app',
        '--table',
        'NOTES',
        '-y',
      )
      expect(done).toMatchObject({ strategy: 'tables', checks: [{ name: 'rows of notes', passed: true, found: '50' }] })
      expect(now()).toEqual(before)
      const db = new DatabaseSync(workspace.database, { readOnly: true })
      expect(db.prepare('SELECT count(*) AS n FROM other').get()).toEqual({ n: 2 })
      db.close()
      await undo()
      expect(now()).toEqual(after)
    })

    it('ends with 3 where a merge could not bring all of them back', async () => {
      workspace.change("CREATE VIRTUAL TABLE words USING fts5(body, content=''); INSERT INTO words VALUES ('one')")
      await workspace.backup('app')
      workspace.change("INSERT INTO words (words) VALUES ('delete-all')")
      const merged = await workspace.try('restore', 'app', '--strategy', 'merge', '--yes', '--json')
      expect(merged.code).toBe(3)
      expect(JSON.parse(merged.stdout)).toMatchObject({
        leftOut: true,
        findings: [{ code: 'merge-table-left', subject: 'table words' }],
      })
    })

    it('does not call wrong what was missing before and is there now', async () => {
      workspace.change('DROP TABLE notes')
      expect(await workspace.run('restore', 'app', '-n')).toContain('warning: notes: is only in the recovery point')
      await workspace.run('restore', 'app', '--yes', '--report', workspace.path('report.html'))
      expect(await workspace.run('report')).toContain('notes: was only in the recovery point')
      const html = readFileSync(workspace.path('report.html'), 'utf8')
      expect([html.includes('Worth knowing'), html.includes('What is wrong')]).toEqual([true, false])
    })

    it('goes on beside an application that has the database open, and says what came back', async () => {
      const application = new DatabaseSync(workspace.database)
      try {
        application.prepare('SELECT count(*) FROM notes').get()
        const whole = await workspace.try('restore', 'app', '--yes')
        expect([whole.code, whole.stderr]).toEqual([1, expect.stringContaining('has it open')])
        expect(await workspace.json('restore', 'app', '--table', 'notes', '-n')).toMatchObject({ outcome: 'planned' })
        const said = await workspace.run('restore', 'app', '--table', 'notes', '--yes')
        expect(said).toMatch(/^Restored table notes of app of /)
        expect(await workspace.run('report')).toMatch(
          /^Restore of table notes of app: Done\n {2}table notes of app is in /i,
        )
        expect(application.prepare('SELECT count(*) AS n FROM notes').get()).toEqual({ n: 50 })
      } finally {
        application.close()
      }
    })

    it('names what there is when there is no such table', async () => {
      const failed = await workspace.try('restore', 'app', '--table', 'note', '--yes')
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('Did you mean "notes"?')])
      expect(now()).toEqual(after)
    })
  })

  it.each([['--yes'], ['--force', '--no-delta']])(
    'never takes the repository away with a folder (%s %s)',
    async (...how) => {
      mkdirSync(workspace.path('all'))
      writeFileSync(workspace.path('all/a'), 'a')
      writeFileSync(
        workspace.path('lifeboat.yaml'),
        'repositories:\n  main: { url: ./all/backups, passwordFile: ./password }\n' +
          'sources:\n  all: { kind: files, path: ./all }\n',
      )
      await workspace.run('init', '--yes')
      await workspace.run('backup', 'all')
      const refused = await workspace.try('restore', 'all', ...how)
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--force, without --no-delta')])
      expect(existsSync(workspace.path('all/backups/config'))).toBe(true)
      await workspace.run('restore', 'all', '--force')
      expect(existsSync(workspace.path('all/backups/config'))).toBe(true)
    },
  )

  it('replaces a database beside the repository, where its folder is named', async () => {
    await workspace.run('restore', 'app', '--to', workspace.dir, '--yes')
    expect(now()).toEqual(before)
  })

  it.each(['./other.db', './link.db', '.'])('never takes the data of a source for a test place (%s)', async test => {
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\nsources:\n' +
        `  app: { kind: sqlite, path: ./app.db, restore: { test: ${test} } }\n` +
        '  other: { kind: sqlite, path: ./other.db }\n',
    )
    symlinkSync(workspace.database, workspace.path('link.db'))
    writeFileSync(workspace.path('other.db'), 'not to be touched')
    const refused = await workspace.try('restore', 'app', '--target', 'test')
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('is the place of')])
    expect([now(), readFileSync(workspace.path('other.db'), 'utf8')]).toEqual([after, 'not to be touched'])
  })

  it('refuses parts that a source does not have before it asks anything', async () => {
    await workspace.backup('docs')
    for (const args of [
      ['app', '--schema', 'public', '--yes'],
      ['docs', '--table', 'notes', '--yes'],
      ['docs', '--strategy', 'merge'],
    ]) {
      const refused = await workspace.try('restore', ...args)
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/does not fit|cannot be merged/)])
    }
    expect(now()).toEqual(after)
  })
})
