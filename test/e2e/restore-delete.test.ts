import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { digestTree } from '../helpers/tree-digest.ts'
import { prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

const prepared = prepareWorkspace(async workspace => {
  workspace.makeDatabase(1)
  put(workspace, { 'a.txt': 'a', 'reports/one.txt': 'one', 'reports/deep/two.txt': 'two', 'other/x.txt': 'x' })
  await workspace.run('init')
  await workspace.run('backup')
})

function put({ docs }: Workspace, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(docs, dirname(name)), { recursive: true })
    writeFileSync(join(docs, name), text)
  }
}

const listed = ({ docs }: Workspace): string[] => readdirSync(docs, { recursive: true, encoding: 'utf8' }).toSorted()

const CAPTURED = ['a.txt', 'other', 'other/x.txt', 'reports', 'reports/deep', 'reports/deep/two.txt', 'reports/one.txt']

/** What an application and a person did since the backup: changed, made, removed, turned into something else. */
function clutter(workspace: Workspace): void {
  put(workspace, { 'a.txt': 'changed', 'new.txt': 'new', 'reports/extra/deep/e.txt': 'e', 'other/y.txt': 'y' })
  rmSync(join(workspace.docs, 'reports/one.txt'))
  put(workspace, { 'reports/one.txt/in-the-way': 'was a file' })
  symlinkSync('/etc/passwd', join(workspace.docs, 'link'))
}

test('--delete makes a folder what the recovery point has; undo brings it all back, and undoing that removes it again', {
  timeout: 180_000,
}, async () => {
  const workspace = prepared()
  await workspace.run('restore', 'docs', '--to', workspace.path('captured'))
  const captured = digestTree(workspace.path('captured'))
  clutter(workspace)
  const before = digestTree(workspace.docs)

  const plan = await workspace.run('restore', 'docs', '--force', '--delete', '--dry-run')
  expect(plan).toContain('5 files and 3 folders')
  expect(plan).toMatch(/What is removed\n[^]*new\.txt\n/)
  expect(plan).toContain('reports/extra/deep/e.txt')
  expect(digestTree(workspace.docs)).toEqual(before)
  // --force alone never removed anything, so it must not agree to this.
  const asked = await workspace.try('restore', 'docs', '--force', '--delete')
  expect([asked.code, asked.stderr]).toEqual([1, expect.stringMatching(/5 files and 3 folders .* will be removed/)])
  expect(digestTree(workspace.docs)).toEqual(before)

  const done = await workspace.json('restore', 'docs', '--force', '--delete', '--yes')
  expect(done).toMatchObject({ strategy: 'in-place', findings: expect.arrayContaining([removed(8)]) })
  expect(digestTree(workspace.docs)).toEqual(captured)

  const { run } = await workspace.json<{ run: string }>('undo', '--yes')
  expect(digestTree(workspace.docs)).toEqual(before)
  await workspace.run('undo', run, '--yes')
  expect(digestTree(workspace.docs)).toEqual(captured)
})

const removed = (count: number) =>
  expect.objectContaining({ code: 'surplus-removed', message: expect.stringContaining(`removed ${count} `) })

test('--delete with --include removes nothing outside what was asked for', { timeout: 180_000 }, async () => {
  const workspace = prepared()
  clutter(workspace)
  await workspace.run('restore', 'docs', '--include', 'reports', '--delete', '--yes')
  expect(listed(workspace)).toEqual([...CAPTURED, 'link', 'new.txt', 'other/y.txt'].toSorted())
  expect(readFileSync(join(workspace.docs, 'a.txt'), 'utf8')).toBe('changed')
  // What the recovery point has nothing of may be a slip of the pen.
  const typo = await workspace.try('restore', 'docs', '--include', 'new.txt', '--delete', '--yes')
  expect([typo.code, typo.stderr]).toEqual([1, expect.stringContaining('not in snapshot')])
  expect(existsSync(join(workspace.docs, 'new.txt'))).toBe(true)
})

test('what was made after the undo point is kept when a removed file was made anew', { timeout: 180_000 }, async () => {
  const workspace = prepared()
  put(workspace, { 'new.txt': 'old', 'gone.txt': 'gone' })
  await workspace.run('restore', 'docs', '--force', '--delete', '--yes')
  put(workspace, { 'new.txt': 'made anew', 'later.txt': 'later' })
  const asked = await workspace.try('undo')
  expect(asked.stderr).toContain('1 file')
  const { run } = await workspace.json<{ run: string }>('undo', '--yes')
  expect(readFileSync(join(workspace.docs, 'new.txt'), 'utf8')).toBe('old')
  expect(readFileSync(join(workspace.docs, 'gone.txt'), 'utf8')).toBe('gone')
  expect(readFileSync(join(workspace.docs, 'later.txt'), 'utf8')).toBe('later')
  await workspace.run('undo', run, '--yes')
  expect(readFileSync(join(workspace.docs, 'new.txt'), 'utf8')).toBe('made anew')
  expect(existsSync(join(workspace.docs, 'gone.txt'))).toBe(false)
})

test('a repository and the state folder in the folder are never surplus', { timeout: 180_000 }, async () => {
  const workspace = prepared()
  const config = readFileSync(workspace.path('lifeboat.yaml'), 'utf8')
  writeFileSync(workspace.path('lifeboat.yaml'), `${config}  all: { kind: files, path: . }\n`)
  await workspace.run('backup', 'all')
  writeFileSync(workspace.path('surplus'), 'x')
  await workspace.run('restore', 'all', '--force', '--delete', '--yes')
  expect(existsSync(workspace.path('surplus'))).toBe(false)
  await workspace.run('check', '--read-data')
  await workspace.run('undo', '--yes')
  expect(readFileSync(workspace.path('surplus'), 'utf8')).toBe('x')
})

test('who can delete nothing says so', { timeout: 180_000 }, async () => {
  const workspace = prepared()
  const refused = async (...words: string[]): Promise<[number, string]> => {
    const { code, stderr } = await workspace.try('restore', ...words, '--yes')
    return [code, stderr]
  }
  expect(await refused('app', '--delete')).toEqual([2, expect.stringContaining('--delete is for folders')])
  expect(await refused('docs', '--strategy', 'merge', '--delete')).toEqual([
    2,
    expect.stringContaining('--strategy merge'),
  ])
  writeFileSync(
    workspace.path('lifeboat.yaml'),
    readFileSync(workspace.path('lifeboat.yaml'), 'utf8').replace('./docs', './docs/a.txt'),
  )
  await workspace.run('backup', 'docs')
  const single = await refused('docs', '--to', workspace.docs, '--force', '--delete')
  expect(single).toEqual([2, expect.stringContaining('is of one file')])
  expect(listed(workspace)).toEqual(CAPTURED)
})
