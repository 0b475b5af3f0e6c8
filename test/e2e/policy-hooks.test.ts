import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type App, type BackupWish, backUp, openApp, type RunEvent } from '../../src/lib.ts'
import { Workspace } from '../helpers/workspace.ts'

/** Writes what ran, in order; a file of that name makes it fail. */
const HOOK = `#!/bin/sh
echo "$1 $LIFEBOAT_POLICY \${LIFEBOAT_ERROR:+told} \${SECRET:-clean}" >> log
test ! -e "$1.fails"
`
const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  disk: { url: ./disk, passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
  more: { kind: files, path: ./more }
policies:
  nightly:
    sources: [docs]
    repositories: [main, disk]
    before: { command: [./hook, before] }
    after: { command: [./hook, after] }
    onFailure: { command: [./hook, onFailure] }
  plain: { sources: [more], repositories: [main] }
`

let workspace: Workspace
let app: App
beforeEach(async () => {
  workspace = new Workspace()
  for (const folder of ['docs', 'more']) {
    mkdirSync(workspace.path(folder))
    writeFileSync(workspace.path(folder, 'a.txt'), 'a')
  }
  writeFileSync(workspace.path('hook'), HOOK, { mode: 0o755 })
  writeFileSync(workspace.path('lifeboat.yaml'), CONFIG)
  app = await openApp({ folder: workspace.dir, environment: { ...process.env, SECRET: 'secret' } })
  await app.createRepository('main')
  await app.createRepository('disk')
})
afterEach(() => app.close())

const fail = (name: string): void => writeFileSync(workspace.path(`${name}.fails`), '')
const log = (): string[] => readFileSync(workspace.path('log'), 'utf8').trimEnd().split('\n')

async function run(wish: BackupWish = {}): Promise<{ sources: string[]; hooks: string[] }> {
  const { attempts, hooks } = await backUp(app, wish, {})
  return {
    sources: attempts.map(each => `${each.source}:${each.repository}:${'error' in each ? each.error.code : 'done'}`),
    hooks: hooks.map(({ policy, hook }) => `${policy} ${hook}`),
  }
}
const ALL_DONE = ['docs:main:done', 'more:main:done', 'docs:disk:done']

test('the hooks of a policy run once, around its captures, and see nothing of our environment', async () => {
  expect(await run()).toEqual({ sources: ALL_DONE, hooks: [] })
  expect(log()).toEqual(['before nightly  clean', 'after nightly  clean'])
  expect(await run({ policy: 'plain' })).toEqual({ sources: ['more:main:done'], hooks: [] })
  // Of another type, it is not taken for the policy.
  await run({ sources: ['docs'], type: 'full' })
  expect(log()).toHaveLength(2)
})

test('where "before" fails nothing is backed up for the policy, others go on, and somebody is told', async () => {
  fail('before')
  expect(await run()).toEqual({
    sources: ['docs:main:failed', 'docs:disk:failed', 'more:main:done'],
    hooks: ['nightly before'],
  })
  expect(log()).toEqual(['before nightly  clean', 'onFailure nightly told clean'])
  const [latest] = await app.catalog.listRuns({ limit: 1 })
  expect(latest?.end?.outcome).toBe('incomplete')
  expect(latest?.attempts.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
    'hook before failed',
    'backup failed',
    'backup failed',
    'hook onFailure done',
    'backup done',
  ])
})

test('a program that is missing keeps the first hook from running', async () => {
  writeFileSync(workspace.path('lifeboat.yaml'), CONFIG.replace('[./hook, after]', '[./missing]'))
  await app.close()
  app = await openApp({ folder: workspace.dir })
  expect((await run({ policy: 'nightly' })).sources).toEqual(['docs:main:tool-missing', 'docs:disk:tool-missing'])
  expect(log()).toEqual(['onFailure nightly told clean'])
})

test('where a copy or "after" fails, somebody is told once; what could be backed up is', async () => {
  fail('after')
  fail('onFailure')
  expect(await run()).toEqual({ sources: ALL_DONE, hooks: ['nightly after', 'nightly onFailure'] })
  rmSync(workspace.path('docs'), { recursive: true })
  rmSync(workspace.path('after.fails'))
  rmSync(workspace.path('log'))
  const { sources } = await run()
  expect(sources.at(-1)).toBe('more:main:done')
  expect(sources).not.toContain('docs:main:done')
  expect(log()).toEqual(['before nightly  clean', 'after nightly  clean', 'onFailure nightly told clean'])
})

test('interrupted, it starts again what it stopped', async () => {
  const stop = new AbortController()
  const caller = {
    signal: stop.signal,
    onEvent: ({ kind }: RunEvent) => {
      if (kind === 'progress') stop.abort()
    },
  }
  await expect(backUp(app, { policy: 'nightly' }, caller)).rejects.toMatchObject({ code: 'interrupted' })
  expect(log()).toEqual(['before nightly  clean', 'after nightly  clean', 'onFailure nightly told clean'])
  const [latest] = await app.catalog.listRuns({ limit: 1 })
  expect(latest?.end?.outcome).toBe('interrupted')
})

test('interrupted before anything was stopped, it starts nothing', async () => {
  const stop = new AbortController()
  const caller = { signal: stop.signal, onEvent: () => stop.abort() }
  await expect(backUp(app, { policy: 'nightly' }, caller)).rejects.toMatchObject({ code: 'interrupted' })
  expect(existsSync(workspace.path('log'))).toBe(false)
})

test('the command says which hook failed, and ends with an error', async () => {
  fail('after')
  const { code, stdout, stderr } = await workspace.try('backup', 'docs', '--repo', 'main')
  expect([code, stdout, stderr]).toEqual([
    1,
    expect.stringMatching(/^docs -> main: snapshot /),
    expect.stringContaining('the hook "after" of policy nightly failed: ./hook ended with 1'),
  ])
})
