import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  backUp,
  carryOut,
  openApp,
  planRestore,
  planUndo,
  proveAll,
  type RunEvent,
  undoRestore,
} from '../../src/lib.ts'
import { Workspace } from '../helpers/workspace.ts'

test('a program that embeds Lifeboat backs up, proves, restores and undoes', async () => {
  const workspace = new Workspace()
  const file = join(workspace.docs, 'a.txt')
  mkdirSync(workspace.docs)
  writeFileSync(file, 'a')
  const events: RunEvent[] = []
  const caller = { onEvent: (event: RunEvent) => events.push(event) }
  const app = await openApp({ folder: workspace.dir })
  try {
    await app.createRepository('main')
    const { run, attempts } = await backUp(app, { sources: ['docs'], tags: ['from-library'] }, caller)
    expect(attempts).toMatchObject([{ source: 'docs', repository: 'main', result: { complete: true, files: 1 } }])
    const [proof] = await proveAll(app, [{ source: 'docs', wish: { kind: 'latest' } }], 'restored', caller)
    expect(proof).toMatchObject({ result: { passed: true } })

    writeFileSync(file, 'spoiled')
    const plan = await planRestore(app, { source: 'docs' }, caller)
    expect(plan).toMatchObject({ source: 'docs', strategy: 'replace', survey: { exists: true } })
    const restored = await carryOut(app, plan, caller)
    expect(readFileSync(file, 'utf8')).toBe('a')

    await undoRestore(app, await planUndo(app, restored.result.run, caller), caller)
    expect(readFileSync(file, 'utf8')).toBe('spoiled')

    const runs = await app.catalog.listRuns({ limit: 9 })
    expect(runs.map(({ operation, end }) => [operation, end?.outcome])).toEqual([
      ['undo', 'done'],
      ['restore', 'done'],
      ['verify', 'done'],
      ['backup', 'done'],
    ])
    // One id, whoever is asked.
    expect(runs.at(-1)?.id).toBe(run)
    expect([runs[1]?.id, restored.report.run, restored.result.entry.run]).toEqual(Array(3).fill(restored.result.run))
  } finally {
    await app.close()
  }
  expect(await workspace.snapshots()).toHaveLength(1)
  expect(events.filter(({ kind }) => kind === 'report')).toHaveLength(3)
  expect(events.some(({ kind }) => kind === 'progress')).toBe(true)
})
