import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

/** Restores of folders over what is there, through the real commands. */
describe('a restore over a folder', () => {
  let workspace: Workspace

  const copyPrepared = prepareWorkspace(async prepared => {
    prepared.makeDatabase(50)
    prepared.makeDocs()
    await prepared.run('init', '--yes')
  })
  beforeEach(() => {
    workspace = copyPrepared()
  })

  describe('into a folder', () => {
    const read = (name: string): string | undefined => {
      const path = workspace.path(`docs/${name}`)
      return existsSync(path) ? readFileSync(path, 'utf8') : undefined
    }
    const write = (name: string, text: string): void => {
      mkdirSync(dirname(workspace.path(`docs/${name}`)), { recursive: true })
      writeFileSync(workspace.path(`docs/${name}`), text)
    }

    const configure = (more: string): void =>
      writeFileSync(
        workspace.path('lifeboat.yaml'),
        readFileSync(workspace.path('lifeboat.yaml'), 'utf8').replace('path: ./docs }', `path: ./docs, ${more} }`),
      )

    it.each([
      ['of some paths', ['--include', 'in', '--yes']],
      ['with --force', ['--force']],
    ])('is undone by what it wrote alone: %s', async (_, how) => {
      for (const name of ['in/changed', 'in/gone', 'in/new/made', 'out']) write(name, 'backup')
      await workspace.backup('docs')
      write('in/changed', 'before')
      rmSync(workspace.path('docs/in/new'), { recursive: true })
      const done = await workspace.json<{ run: string }>('restore', 'docs', ...how)
      expect([read('in/changed'), read('in/new/made')]).toEqual(['backup', 'backup'])
      write('in/late', 'since')
      write('other/late', 'since')
      rmSync(workspace.path('docs/in/gone'))
      write('in/changed', 'since')
      const undone = await workspace.json<{ run: string; written: unknown }>('undo', '--yes')
      expect(undone.written).toEqual([{ name: 'files', written: 1, gone: 1 }])
      expect([read('in/changed'), read('in/gone'), existsSync(workspace.path('docs/in/new'))]).toEqual([
        'before',
        'backup',
        false,
      ])
      expect([read('in/late'), read('other/late')]).toEqual(['since', 'since'])
      await workspace.json('undo', undone.run.slice(0, 8), '--yes')
      expect([read('in/changed'), read('in/gone'), read('in/new/made')]).toEqual(['since', undefined, 'backup'])
      expect((await workspace.try('undo', done.run.slice(0, 8))).code).toBe(1)
    })

    it('gives back what the source excludes by now, too', async () => {
      for (const name of ['cache/changed', 'plain']) write(name, 'backup')
      await workspace.backup('docs')
      write('cache/changed', 'before')
      write('cache/own', 'before')
      configure('exclude: [cache]')
      await workspace.run('restore', 'docs', '--force')
      expect([read('cache/changed'), read('cache/own')]).toEqual(['backup', 'before'])
      await workspace.run('undo', '--yes')
      expect([read('cache/changed'), read('cache/own')]).toEqual(['before', 'before'])
    })

    it('takes back what it wrote alone, where the application does not start on it', async () => {
      for (const name of ['in/changed', 'in/made']) write(name, 'backup')
      await workspace.backup('docs')
      write('in/changed', 'before')
      rmSync(workspace.path('docs/in/made'))
      // It writes to what is elsewhere, to what came, and falls; started again, it only falls.
      const script = 'test -e docs/elsewhere || { echo since > docs/elsewhere; echo since >> docs/in/changed; }; exit 1'
      configure(`restore: { after: { command: [sh, -c, ${JSON.stringify(script)}] } }`)
      const failed = await workspace.try('restore', 'docs', '--force')
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('What was there is there again')])
      expect([read('in/changed'), read('in/made'), read('elsewhere')]).toEqual(['before', undefined, 'since\n'])
      expect(readdirSync(workspace.dir).filter(name => name.includes('taken-back'))).toEqual([])
      // What it wrote to a file that goes is in the last recovery point.
      const last = (await workspace.snapshots('docs')).at(-1)?.id ?? ''
      expect(await workspace.run('cat', last, 'in/changed')).toBe('backupsince\n')
    })
  })

  it('never swaps a folder that holds the repository', async () => {
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      readFileSync(workspace.path('lifeboat.yaml'), 'utf8').replace('./docs', '.'),
    )
    await workspace.backup('docs')
    writeFileSync(workspace.path('page.txt'), 'later')
    const refused = await workspace.try('restore', 'docs', '--yes')
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--force')])
    await workspace.run('restore', 'docs', '--force')
    expect((await workspace.try('undo', '--yes')).code).toBe(0)
    expect(readFileSync(workspace.path('page.txt'), 'utf8')).toBe('later')
    expect((await workspace.try('check')).code).toBe(0)
  })
})
