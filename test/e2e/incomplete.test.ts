import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { documentedOutput } from '../helpers/json-output.ts'
import { withoutPrivileges } from '../helpers/unprivileged.ts'
import { Workspace } from '../helpers/workspace.ts'

interface Incomplete {
  readonly incomplete: { readonly count: number; readonly entries: ReadonlyArray<{ readonly path: string }> } | null
}

/** A backup that ended with 3 is incomplete for ever after, in every list and question. */
describe('an incomplete snapshot', () => {
  it('says so everywhere, and no restore takes away what it never read', async () => {
    const workspace = new Workspace()
    const docs = workspace.docs
    mkdirSync(join(docs, 'private'), { recursive: true })
    for (const name of ['a', 'secret.key', 'private/c']) writeFileSync(join(docs, name), name)
    const close = (): void => ['secret.key', 'private'].forEach(name => chmodSync(join(docs, name), 0))
    close()
    chmodSync(workspace.dir, 0o755)
    onTestFinished(() => chmodSync(join(docs, 'private'), 0o700))
    await withoutPrivileges(workspace.dir, () => askEverything(workspace, docs))
    expect(readdirSync(docs).sort()).toEqual(['a', 'private', 'secret.key'])
  })
})

describe('a restore into a huge folder', () => {
  it('says what it would capture first, and asks even where it is forced', async () => {
    const workspace = new Workspace()
    workspace.makeDocs()
    await workspace.run('init', '--yes')
    await workspace.run('backup', 'docs')
    const huge = workspace.path('huge')
    mkdirSync(huge)
    writeFileSync(join(huge, 'disk.img'), '')
    truncateSync(join(huge, 'disk.img'), 1100 * 1024 ** 2)
    const into = ['restore', 'docs', '--to', huge, '--force']
    const refused = await workspace.try(...into)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/captured: 1\.1 GiB in 1 files[^]*--yes/)])
    expect(readdirSync(huge)).toEqual(['disk.img'])
    expect((await workspace.try(...into, '--yes')).code).toBe(0)
  })
})

async function askEverything(workspace: Workspace, docs: string): Promise<void> {
  await workspace.run('init', '--yes')
  const counted = { count: 2, entries: expect.arrayContaining([expect.objectContaining({ path: 'secret.key' })]) }
  const json = async <T>(code: number, ...args: string[]): Promise<T> => {
    const result = await workspace.try(...args, '--json')
    expect([args[0], result.code, result.stderr]).toEqual([args[0], code, expect.not.stringContaining('error:')])
    return documentedOutput(args[0] ?? '', result.stdout) as T
  }
  const unread = (): string[] => {
    const mode = statSync(join(docs, 'private')).mode & 0o777
    chmodSync(join(docs, 'private'), 0o700)
    const names = [...readdirSync(docs), ...readdirSync(join(docs, 'private'))]
    chmodSync(join(docs, 'private'), mode)
    return names.sort()
  }
  const { sources } = await json<{ sources: Incomplete[] }>(3, 'backup', 'docs')
  expect(sources[0]?.incomplete).toEqual(counted)

  // Every list and question.
  expect(await json<Incomplete[]>(0, 'snapshots')).toMatchObject([{ incomplete: { count: 2 } }])
  expect((await json<Incomplete>(0, 'ls', 'docs')).incomplete).toEqual(counted)
  const proven = await json<{ verified: Incomplete[] }>(3, 'verify', 'docs')
  expect(proven.verified).toMatchObject([{ passed: true, proof: 'checked', incomplete: counted }])
  expect((await workspace.try('restore', 'docs', '--dry-run')).stdout).toContain('private (permission denied)')

  // The swap, and back.
  const all = ['a', 'c', 'private', 'secret.key']
  expect((await json<Incomplete>(3, 'restore', 'docs', '--yes')).incomplete).toEqual(counted)
  expect(unread()).toEqual(all)
  expect((await workspace.try('undo', '--yes')).code).toBe(0)
  expect(unread()).toEqual(all)

  // In place, and a part: what is not changed needs no way back, and an unreadable file is not in the way of others.
  writeFileSync(join(docs, 'a'), 'changed')
  expect((await workspace.try('restore', 'docs', '--force')).code).toBe(3)
  expect(unread()).toEqual(all)
  const part = await json<Incomplete & { findings: unknown[] }>(0, 'restore', 'docs', '--include', 'a', '--yes')
  expect(part).toMatchObject({ incomplete: null, findings: [{ code: 'safety-point-incomplete' }] })
  expect(readFileSync(join(docs, 'a'), 'utf8')).toBe('a')

  // What would be changed and can't be captured before is no restore's to change.
  chmodSync(join(docs, 'a'), 0)
  const refused = await workspace.try('restore', 'docs', '--include', 'a', '--yes')
  expect([refused.code, refused.stderr.match(/Nothing was changed/g)]).toEqual([1, ['Nothing was changed']])
  expect(refused.stderr).toContain('a could not be captured before it is changed: permission denied')
}
