import { beforeEach, describe, expect, it } from 'vitest'
import { type Folder, MadeNode, TreeRepository } from '../../../test/helpers/tree-repository.ts'
import { collect } from '../../base/collect.ts'
import type { Finding } from '../../model/finding.ts'
import { permissionsOf, toIsoTime } from '../browse/listed-entry.ts'
import { ls } from './ls.ts'

const { signal } = new AbortController()
const folder: Folder = {
  'a.txt': 'hello',
  docs: { deep: { leaf: 'x' }, 'odd-\udcff': 'odd' },
  link: new MadeNode({ type: 'symlink', linkTarget: 'a.txt' }),
}

let findings: Finding[] = []
beforeEach(() => void (findings = []))
const onFinding = (finding: Finding): void => void findings.push(finding)

async function list(
  path: string,
  options: { source?: string; recursive?: boolean; signal?: AbortSignal } = {},
): Promise<string[]> {
  const repository = new TreeRepository()
  const snapshot = repository.snapshot(folder, options.source)
  const paths: string[] = []
  const request = { repository, snapshot, path, recursive: options.recursive ?? false }
  for await (const entry of ls({ ...request, onFinding, signal: options.signal ?? signal })) paths.push(entry.path)
  return paths
}

describe('ls', () => {
  it.each([
    ['', ['a.txt', 'docs', 'link']],
    ['.', ['a.txt', 'docs', 'link']],
    ['docs', ['docs/deep', 'docs/odd-\udcff']],
    ['./docs//deep/', ['docs/deep/leaf']],
    ['/docs', ['docs/deep', 'docs/odd-\udcff']],
    ['/app/docs/deep', ['/app/docs/deep/leaf']],
    ['a.txt', ['a.txt']],
    ['docs/odd-\\xff', ['docs/odd-\udcff']],
    ['docs/odd-\ufffd', ['docs/odd-\udcff']],
    ['/', ['/.lifeboat', '/app']],
  ])('lists %j of one of our snapshots', async (path, expected) => {
    expect(await list(path, { source: 'app' })).toEqual(expected)
  })

  it('lists another program’s snapshot from its root', async () => {
    expect(await list('')).toEqual(['a.txt', 'docs', 'link'])
    expect(await list('/docs')).toEqual(['/docs/deep', '/docs/odd-\udcff'])
  })

  it('goes into folders, each before what is in it', async () => {
    expect(await list('docs', { source: 'app', recursive: true })).toEqual([
      'docs/deep',
      'docs/deep/leaf',
      'docs/odd-\udcff',
    ])
  })

  it.each(['gone', 'docs/gone', 'a.txt/below', '..', '/etc', 'link/x'])('says that %s is not there', async path => {
    await expect(list(path, { source: 'app' })).rejects.toMatchObject({ code: 'not-found' })
  })

  it('says it where the folder of the source is missing', async () => {
    const repository = new TreeRepository()
    const snapshot = repository.snapshot(folder, 'app')
    const lacking = { ...snapshot, tags: snapshot.tags.map(tag => tag.replace('source:app', 'source:other')) }
    const entries = collect(ls({ repository, snapshot: lacking, path: '', recursive: false, onFinding, signal }))
    await expect(entries).rejects.toMatchObject({
      message: expect.stringContaining('no folder of its source in snapshot') as string,
      hint: expect.stringMatching(/lifeboat ls [0-9a-f]{8} \/"/) as string,
    })
  })

  it('names the nearest folder that is there', async () => {
    await expect(list('docs/gone/x', { source: 'app' })).rejects.toMatchObject({
      hint: expect.stringMatching(/lifeboat ls [0-9a-f]{8} docs"/) as string,
    })
  })

  it('goes on past a folder that is damaged, and names it', async () => {
    const repository = new TreeRepository()
    const snapshot = repository.snapshot({ a: { x: '' }, b: { x: '' }, broken: { lost: 'x' }, z: '' }, 'app')
    await repository.loseTree(snapshot, ['app', 'broken'])
    const listed = async (path: string): Promise<string[]> => {
      const entries = await collect(ls({ repository, snapshot, path, recursive: true, signal, onFinding }))
      return entries.map(entry => entry.path)
    }
    expect(await listed('')).toEqual(['a', 'a/x', 'b', 'b/x', 'broken', 'z'])
    expect(findings).toMatchObject([{ severity: 'error', message: expect.stringContaining('broken') }])
    await expect(listed('broken')).rejects.toMatchObject({ code: 'damaged' })
  })

  it('stops when told to', async () => {
    const stopped = AbortSignal.abort()
    await expect(list('', { signal: stopped })).rejects.toMatchObject({ code: 'interrupted' })
  })

  it('gives what JSON can hold', async () => {
    const repository = new TreeRepository()
    const snapshot = repository.snapshot(folder, 'app')
    const entries = await collect(ls({ repository, snapshot, path: '', recursive: false, signal, onFinding }))
    expect(JSON.parse(JSON.stringify(entries[0]))).toEqual({
      path: 'a.txt',
      type: 'file',
      permissions: '-rw-r--r--',
      uid: 1000,
      gid: 1000,
      sizeBytes: 5,
      modified: '2023-11-14T22:13:20.000Z',
    })
    expect(entries[2]).toMatchObject({ linkTarget: 'a.txt' })
    expect(entries[1]).not.toHaveProperty('sizeBytes')
  })

  it.each([
    ['file', 0o4755, '-rwsr-xr-x'],
    ['file', 0o4644, '-rwSr--r--'],
    ['dir', 0o1777, 'drwxrwxrwt'],
    ['dir', 0o3750, 'drwxr-s--T'],
    ['symlink', 0o777, 'lrwxrwxrwx'],
    ['chardev', 0o600, 'crw-------'],
  ] as const)('writes %s %o as %s', (type, mode, expected) => {
    expect(permissionsOf({ type, mode })).toBe(expected)
  })

  it('survives times that no date can hold', () => {
    expect(toIsoTime(10n ** 40n)).toBe('+275760-09-13T00:00:00.000Z')
  })
})
