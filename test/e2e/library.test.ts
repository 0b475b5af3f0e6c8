import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import {
  backUp,
  carryOut,
  lookAround,
  openApp,
  parseRestorePlan,
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

test('one that lives long keeps nothing of what was asked for, and serves several at once', async () => {
  const workspace = new Workspace()
  mkdirSync(workspace.docs)
  writeFileSync(join(workspace.docs, 'a.txt'), 'a')
  const app = await openApp({ folder: workspace.dir })
  try {
    await app.createRepository('main')
    const [one, other] = await Promise.all([
      backUp(app, { sources: ['docs'] }, {}),
      backUp(app, { sources: ['docs'] }, {}),
    ])
    expect(one.run).not.toBe(other.run)
    expect([one, other].map(({ attempts }) => attempts[0] && 'result' in attempts[0])).toEqual([true, true])
    const resources = (): number => process.getActiveResourcesInfo().length
    const before = resources()
    for (let round = 0; round < 500; round++) {
      await lookAround(app, {}, async run => run.closeLater(await app.sourceAt('docs', 'files', workspace.docs)))
    }
    expect(resources()).toBe(before)
    expect(readdirSync(join(workspace.dir, '.lifeboat/tmp'))).toEqual([])
    await app.close()
    // What it opened anew after that is closed the same way.
    expect((await app.repository('main')).id).toMatch(/^[0-9a-f]{64}$/)
  } finally {
    await app.close()
  }
})

test('a plan that was kept is carried out later if things are as they were, and refused if not', async () => {
  const workspace = new Workspace()
  mkdirSync(workspace.docs)
  writeFileSync(join(workspace.docs, 'a.txt'), 'a')
  let now = Date.now()
  const clock = { ...systemClock, now: () => new Date(now) }
  const app = await openApp({ folder: workspace.dir, clock })
  try {
    await app.createRepository('main')
    await backUp(app, {}, {})
    const to = join(workspace.dir, 'out')
    const kept = JSON.stringify(await planRestore(app, { source: 'docs', to }, {}))
    now += 3_600_000
    const plan = parseRestorePlan(JSON.parse(kept))
    expect(plan.snapshot.time).toBeInstanceOf(Date)
    mkdirSync(to)
    writeFileSync(join(to, 'mine.txt'), 'mine')
    await expect(carryOut(app, plan, {})).rejects.toMatchObject({
      code: 'plan-outdated',
      message: expect.stringContaining('something came to'),
    })
    rmSync(to, { recursive: true })
    await carryOut(app, plan, {})
    expect(readdirSync(to)).toEqual(['a.txt'])
    expect(() => parseRestorePlan({ ...JSON.parse(kept), format: 9 })).toThrow(/no plan/)
  } finally {
    await app.close()
  }
})
