import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { cheapenKeys } from '../helpers/cheap-keys.ts'
import { PASSWORD, prepareWorkspace, type Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  offsite: { url: ./offsite, passwordFile: ./password }
sources:
  app: { kind: sqlite, path: ./app.db }
  docs: { kind: files, path: ./docs }
`

interface Copied {
  readonly copies: ReadonlyArray<{ readonly copied: readonly unknown[] }>
}

let workspace: Workspace
const copyPrepared = prepareWorkspace(async prepared => {
  prepared.makeDatabase(300)
  prepared.makeDocs()
  writeFileSync(prepared.path('lifeboat.yaml'), CONFIG)
  await prepared.run('init', '--yes')
  await cheapenKeys(prepared.path('offsite'), PASSWORD)
  await prepared.run('backup', 'app', '--repo', 'main')
  prepared.addNotes(100)
  await prepared.run('backup', '--repo', 'main')
})
beforeEach(() => {
  workspace = copyPrepared()
})

const copy = async (...args: string[]): Promise<Copied> => await workspace.json<Copied>('copy', ...args)

const idsIn = async (repository: string): Promise<string[]> => {
  const all = await workspace.json<Array<{ id: string }>>('snapshots', '--repo', repository)
  return all.map(({ id }) => id)
}

test('after a copy was killed the next one brings the rest', async () => {
  writeFileSync(join(workspace.docs, 'big.bin'), randomBytes(30_000_000))
  await workspace.run('backup', 'docs', '--repo', 'main')
  const running = workspace.start('copy', '--to', 'offsite')
  while (!packsOf('offsite').length) await sleep(5)
  running.child.kill('SIGKILL')
  expect((await running.result).code).not.toBe(0)
  expect(await idsIn('offsite')).toEqual([])
  const { copies } = await copy('--to', 'offsite')
  expect(copies).toMatchObject([{ complete: true, leftOut: [] }])
  expect(copies[0]?.copied).toHaveLength(4)
  await workspace.run('check', '--read-data', '--repo', 'offsite')
})

test('two copies at once and a backup beside them leave every recovery point whole', async () => {
  const all = await Promise.all([
    workspace.try('copy', '--to', 'offsite'),
    workspace.try('copy', '--to', 'offsite'),
    workspace.try('backup', 'app', '--repo', 'offsite'),
  ])
  expect(all.map(({ code, stderr }) => [code, stderr])).toEqual(all.map(() => [0, expect.any(String)]))
  await workspace.run('check', '--read-data', '--repo', 'offsite')
  expect((await idsIn('offsite')).length).toBeGreaterThanOrEqual(4)
  // Each waits for the other: nothing that is copied is pruned before a snapshot needs it.
  await workspace.run('backup', 'docs', '--repo', 'main')
  const pruned = await Promise.all([
    workspace.try('copy', '--to', 'offsite', '--lock-wait', '30s'),
    workspace.try('prune', '--repo', 'offsite', '--max-unused', '0%', '--lock-wait', '30s'),
  ])
  expect(pruned.map(({ code }) => code)).toEqual([0, 0])
  await workspace.run('check', '--read-data', '--repo', 'offsite')
})

function packsOf(repository: string): string[] {
  const folder = workspace.path(repository, 'data')
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}
