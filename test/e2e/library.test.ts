import { mkdirSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { backup, getWishedSnapshot, listRecoveryPoints, openApp, restore } from '../../src/lib.ts'
import { Workspace } from '../helpers/workspace.ts'

test('the library does what the command line does', async () => {
  const workspace = new Workspace()
  mkdirSync(workspace.docs)
  writeFileSync(join(workspace.docs, 'a.txt'), 'a')
  const app = await openApp({ folder: workspace.dir })
  try {
    const repository = await app.createRepository('main')
    const source = await app.openSource('docs')
    const context = await app.sourceContext()
    const result = await backup({
      ...context,
      source,
      repository,
      type: 'incremental',
      runId: 'run-1',
      tags: ['from-library'],
      host: app.host(),
      programVersion: app.programVersion,
      excludePaths: await app.excludedPaths(),
    })
    expect(result).toMatchObject({ complete: true, files: 1 })
    const { recoveryPoints } = await listRecoveryPoints({
      repositories: [{ name: 'main', repository }],
      source: 'docs',
      proofs: () => new Map(),
    })
    expect(recoveryPoints).toMatchObject([{ id: result.snapshot.id, tags: ['from-library'], proof: 'recorded' }])
    const snapshot = await getWishedSnapshot(
      repository,
      'docs',
      { kind: 'latest' },
      { own: hostname(), named: undefined },
    )
    const target = workspace.path('out')
    const restored = await restore({
      ...context,
      repository,
      snapshot,
      source,
      target,
      force: false,
      delta: true,
      checks: true,
      include: [],
    })
    expect(restored).toMatchObject({ files: 1, totalBytes: 1 })
  } finally {
    await app.close()
  }
  expect(await workspace.snapshots()).toHaveLength(1)
})
