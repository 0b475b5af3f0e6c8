import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { PASSWORD, readNotes, type SnapshotJson, Workspace } from '../helpers/workspace.ts'

describe('which repository and recovery point', { timeout: 180_000 }, () => {
  let workspace: Workspace
  let [older, newer]: SnapshotJson[] = []
  let between = ''
  let count = 0

  beforeAll(async () => {
    workspace = new Workspace(mkdtempSync(join(tmpdir(), 'lifeboat-from-')))
    workspace.makeDatabase(2)
    mkdirSync(workspace.docs)
    writeFileSync(join(workspace.docs, 'a.txt'), 'first')
    const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
    const second = '  second: { url: "./odd:beef", passwordFile: ./password }\nsources:'
    writeFileSync(workspace.path('lifeboat.yaml'), config.replace('sources:', second))
    await workspace.run('init')
    await cheapenKeys(workspace.path('odd:beef'), PASSWORD)
    await workspace.run('backup', '--repo', 'main')
    writeFileSync(join(workspace.docs, 'a.txt'), 'second')
    workspace.addNotes(1)
    await workspace.run('backup', '--repo', 'second')
    ;[older, newer] = await workspace.snapshots('docs')
    const [from, to] = [older, newer].map(each => Date.parse(each?.time ?? ''))
    between = new Date(Math.ceil(((from ?? 0) + (to ?? 0)) / 2)).toISOString()
  }, 180_000)
  afterAll(() => rmSync(workspace.dir, { recursive: true, force: true }))

  const read = async (...words: string[]): Promise<string> => (await workspace.try('cat', ...words)).stdout
  const refused = async (...words: string[]): Promise<[number, string]> => {
    const { code, stderr } = await workspace.try(...words)
    return [code, stderr]
  }
  const target = (): string => workspace.path(`back-${count++}`)

  test('--from names the repository by name, path or URL, and may name the point', async () => {
    const id = older?.shortId ?? ''
    expect([older?.repository, newer?.repository]).toEqual(['main', 'second'])
    expect(await read('docs', 'a.txt')).toBe('second')
    expect(await read('docs', 'a.txt', '--from', 'main')).toBe('first')
    expect(await read('docs', 'a.txt', '--from', 'main:latest')).toBe('first')
    expect(await read('--from', `main:${id}`, 'a.txt')).toBe('first')
    expect(await read('--from', `${workspace.repository}:${id}`, 'a.txt')).toBe('first')
    expect(await read('--from', `file://${workspace.repository}:latest`, 'docs', 'a.txt')).toBe('first')
    // A path that ends like a point says so with a slash.
    expect(await read('docs', 'a.txt', '--from', `${workspace.path('odd:beef')}/`)).toBe('second')
    expect(await read('docs', 'a.txt', '--from', `${workspace.path('odd:beef')}:latest`)).toBe('second')
  })

  test('--at is the newest recovery point at or before a time, for every command that reads one', async () => {
    expect(await read('docs', 'a.txt', '--at', between)).toBe('first')
    expect(await workspace.run('ls', 'docs', '--at', between)).toContain('a.txt')
    const verified = await workspace.json<{ verified: unknown[] }>('verify', 'docs', '--at', between)
    expect(verified).toMatchObject({ passed: true, verified: [{ snapshot: older?.id }] })
    const rows = ['query', 'app', 'SELECT count(*) AS n FROM notes', '--csv']
    expect(await workspace.run(...rows, '--at', between)).toBe('n\n2\n')
    expect(await workspace.run(...rows, '--from', 'second')).toBe('n\n3\n')
    const [file, folder] = [target(), target()]
    await workspace.run('restore', 'app', '--at', between, '--to', file)
    expect(readNotes(file)).toHaveLength(2)
    await workspace.run('restore', 'docs', '--at', between, '--to', folder)
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('first')
    const found = await workspace.json<Array<{ snapshot: string }>>(
      'find',
      'a.txt',
      '--source',
      'docs',
      '--at',
      between,
    )
    expect(found.map(({ snapshot }) => snapshot)).toEqual([older?.id])
    const early = await refused('ls', 'docs', '--at', '2020-01-01')
    expect(early).toEqual([1, expect.stringContaining('at or before 2020-01-01')])
  })

  test('restore, find, stats and verify take the point from --from', async () => {
    const folder = target()
    const id = older?.shortId ?? ''
    await workspace.run('restore', 'docs', '--from', `main:${id}`, '--to', folder)
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('first')
    const verified = await workspace.json('verify', '--from', `main:${id}`)
    expect(verified).toMatchObject({ verified: [{ source: 'docs', snapshot: older?.id, repository: 'main' }] })
    expect(await workspace.run('find', 'a.txt', '--from', `main:${id}`)).toContain(id)
    expect(await workspace.run('stats', '--from', `main:${id}`)).toContain('main: 1 snapshot')
    const none = await workspace.run('diff', id, id, '--from', 'main')
    expect(none).toBe('No difference.\n')
  })

  test('two answers to one question are refused', async () => {
    const [one = '', two = ''] = [older?.shortId, newer?.shortId]
    expect(await refused('ls', two, 'a.txt', '--from', `main:${one}`)).toEqual([
      2,
      expect.stringContaining(`"${two}" and "${one}" are two recovery points`),
    ])
    expect(await refused('ls', 'docs', '--from', 'main', '--repo', 'second')).toEqual([
      2,
      expect.stringContaining('--repo second and --from main are two repositories'),
    ])
    expect(await refused('ls', one, 'a.txt', '--at', between)).toEqual([
      2,
      expect.stringContaining('exclude each other'),
    ])
    expect(await refused('diff', one, two, '--from', `main:${one}`)).toEqual([
      2,
      expect.stringContaining('--from main'),
    ])
    expect(await refused('find', 'a.txt', '--snapshot', one, '--from', `main:${one}`)).toEqual([
      2,
      expect.stringContaining('exclude each other'),
    ])
    expect((await workspace.try('ls', one, '.', '--from', `main:${older?.id}`)).code).toBe(0)
  })

  test('what names no repository or point is said, with what to type', async () => {
    expect(await refused('ls', 'docs', '--from', 'main:lates')).toEqual([
      2,
      expect.stringContaining('--from main:POINT'),
    ])
    expect(await refused('ls', 'docs', '--from', 'mian:latest')).toEqual([2, expect.stringContaining('mean "main"')])
    expect(await refused('ls', 'docs', '--from', '')).toEqual([2, expect.stringContaining('--from is empty')])
    expect(await refused('ls', 'docs', '--at', 'soon')).toEqual([2, expect.stringContaining('--at cannot be "soon"')])
    expect(await refused('ls')).toEqual([2, expect.stringContaining("missing required argument 'snapshot'")])
    expect(await refused('cat', '--from', 'main:latest')).toEqual([2, expect.stringContaining("argument 'path'")])
    // A secret in an argument is refused before anything is asked.
    const [code, told] = await refused('ls', '--from', 'https://u:hunter2@host/b:latest')
    expect([code, told.includes('hunter2')]).toEqual([2, false])
  })
})
