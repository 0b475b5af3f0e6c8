import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { backUp, openApp, planBackup, planRestore } from '../../src/lib.ts'
import { digestTree } from '../helpers/tree-digest.ts'
import { Workspace } from '../helpers/workspace.ts'

const CONFIG = `repositories:
  main: { url: ./backups, passwordFile: ./password }
  gone: { url: ./gone, passwordFile: ./password }
sources:
  all: { kind: files, path: . }
  docs: { kind: files, path: ./docs }
policies:
  nightly:
    sources: [docs]
    repositories: [main]
    verify: { level: checked, every: 2 }
    before: { command: [touch, ran] }
`

test('a dry run says what a backup would do, and leaves repositories as they are', async () => {
  const workspace = new Workspace()
  mkdirSync(workspace.docs)
  writeFileSync(workspace.path('docs', 'a.txt'), 'a')
  writeFileSync(workspace.path('lifeboat.yaml'), CONFIG)
  const app = await openApp({ folder: workspace.dir })
  await app.createRepository('main')
  const nightly = { policy: 'nightly' }
  const empty = digestTree(workspace.repository)
  expect(await planBackup(app, nightly, {})).toEqual([
    {
      source: 'docs',
      repository: 'main',
      kind: 'files',
      type: 'full',
      parent: undefined,
      policies: ['nightly'],
      verify: 'checked',
      excluded: [],
      ready: true,
      findings: [],
    },
  ])
  expect(digestTree(workspace.repository)).toEqual(empty)
  expect(existsSync(workspace.path('ran'))).toBe(false)
  expect(await app.catalog.listRuns({ limit: 1 })).toEqual([])

  const { attempts } = await backUp(app, nightly, {})
  const [made] = attempts.flatMap(each => ('result' in each ? [each] : []))
  expect(made).toMatchObject({ result: { type: 'full' }, verification: { result: { passed: true } } })
  const parent = made?.result.snapshot.id
  // The one after the next is verified again.
  expect(await planBackup(app, nightly, {})).toMatchObject([{ type: 'incremental', parent, verify: undefined }])
  const again = await backUp(app, nightly, {})
  const [newest] = again.attempts.flatMap(each => ('result' in each ? [each.result.snapshot] : []))
  expect(await planBackup(app, nightly, {})).toMatchObject([{ verify: 'checked' }])

  // A time as it is shown, without its fraction, finds what it was shown for.
  const target = { kind: 'time', epochMicros: Math.floor((newest?.time.getTime() ?? 0) / 1000) * 1_000_000 } as const
  const plan = await planRestore(app, { source: 'docs', moment: { target } }, {})
  expect(plan.snapshot.id).toBe(newest?.id)

  rmSync(workspace.docs, { recursive: true })
  expect(await planBackup(app, nightly, {})).toMatchObject([{ ready: false, findings: [{ severity: 'error' }] }])
  const [own] = await planBackup(app, { sources: ['all'], repository: 'main' }, {})
  expect(own).toMatchObject({ excluded: [workspace.path('.lifeboat'), workspace.repository, workspace.path('gone')] })
  const [failed] = await planBackup(app, { sources: ['all'], repository: 'gone' }, {})
  expect(failed).toMatchObject({ error: { code: 'no-repository' } })
  await app.close()
})
