import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type App,
  backUp,
  carryOut,
  listRestores,
  openApp,
  planRestore,
  planUndo,
  proveAll,
  type RestoreWish,
  undoRestore,
} from '../../src/lib.ts'
import { settleRestores } from '../../src/operations/restore/unfinished.ts'
import { SOURCES } from '../../src/sources/registry.ts'
import { describeSourceContract } from '../contracts/source-contract.ts'
import { shelf as definition } from '../helpers/small-kind/index.ts'
import { Shelf } from '../helpers/small-kind/shelf.ts'
import { ShelfSource } from '../helpers/small-kind/shelf-source.ts'
import { Workspace } from '../helpers/workspace.ts'

describeSourceContract({
  kind: 'shelf',
  async make(dir) {
    const path = join(dir, 'live.jsonl')
    const shelf = new Shelf(path)
    for (let at = 0; at < 20; at++) await shelf.put(`key/${at} ü`, 'x'.repeat(at * 100))
    const digest = async (at: string) =>
      JSON.stringify(
        [...((await new Shelf(at).read()) ?? [])].map(each => each.join('=')).toSorted((a, b) => (a < b ? -1 : 1)),
      )
    return {
      source: new ShelfSource('live', path),
      mutate: async step => {
        await shelf.put(`new ${step}`, 'new')
        await shelf.put('key/3 ü', `changed ${step}`)
        await shelf.delete(`key/${4 + step} ü`)
      },
      digest: async () => await digest(path),
      digestRestored: digest,
      target: name => join(dir, 'restored', `${name}.jsonl`),
      close: async () => {},
    }
  },
  makeMissing: async dir => new ShelfSource('missing', join(dir, 'nowhere.jsonl')),
})

const ASSERTIONS = `assertions: [{ command: [sh, -c, 'grep -q spoiled "$LIFEBOAT_RESTORED_PATH" && exit 1 || test -s "$LIFEBOAT_RESTORED_PATH"'] }]`

describe('a kind that cannot swap goes through the use cases', () => {
  let app: App
  let live: Shelf
  let workspace: Workspace
  const caller = {}

  beforeEach(async () => {
    workspace = new Workspace()
    writeFileSync(
      join(workspace.dir, 'lifeboat.yaml'),
      'repositories:\n  main: { url: ./backups, passwordFile: ./password }\n' +
        `sources:\n  keys: { kind: shelf, path: ./live.jsonl, ${ASSERTIONS} }\n`,
    )
    live = new Shelf(workspace.path('live.jsonl'))
    await live.put('a', '1')
    await live.put('b', '2')
    app = await openApp({ folder: workspace.dir, kinds: [...SOURCES, definition] })
    await app.createRepository('main')
    await backUp(app, { sources: ['keys'] }, caller)
    await live.put('a', 'spoiled')
    await live.put('c', '3')
  })
  afterEach(async () => await app.close())

  const restore = async (wish: Partial<RestoreWish> = {}) =>
    await carryOut(app, await planRestore(app, { source: 'keys', ...wish }, caller), caller)
  const valuesAt = async (path: string) => Object.fromEntries((await new Shelf(path).read()) ?? [])
  const values = async () => await valuesAt(workspace.path('live.jsonl'))

  test('it is restored in place, guarded by a recovery point, undone, and the undo undone', async () => {
    const plan = await planRestore(app, { source: 'keys' }, caller)
    expect(plan).toMatchObject({ kind: 'shelf', strategy: 'in-place', survey: { exists: true } })
    const restored = await carryOut(app, plan, caller)
    expect(await values()).toEqual({ a: '1', b: '2' })
    expect(restored.result.entry.safety).toBeDefined()
    expect(restored.result.entry.kept).toEqual([])
    expect(restored.result.writtenBytes).toBe(1)

    const undone = await undoRestore(app, await planUndo(app, restored.result.run, caller), caller)
    expect(await values()).toEqual({ a: 'spoiled', b: '2', c: '3' })
    await undoRestore(app, await planUndo(app, undone.result.run, caller), caller)
    expect(await values()).toEqual({ a: '1', b: '2' })
    expect(await listRestores(app, caller)).toHaveLength(3)
  })

  test('what fails half-way is put back from the recovery point', async () => {
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      readFileSync(workspace.path('lifeboat.yaml'), 'utf8').replace(
        ASSERTIONS,
        'restore: { after: { command: ["false"] } }',
      ),
    )
    await app.close()
    app = await openApp({ folder: workspace.dir, kinds: [...SOURCES, definition] })
    await expect(restore()).rejects.toThrow('the hook "after" failed')
    expect(await values()).toEqual({ a: 'spoiled', b: '2', c: '3' })
  })

  test('a restore that was killed half-way is taken back from the recovery point', async () => {
    const { entry } = (await restore()).result
    await live.delete('b')
    const gone = spawnSync('true')
    await app.journal.update(entry, { phase: 'changing', owner: { ...entry.owner, pid: gone.pid } })
    const settled = await settleRestores(app, undefined, caller)
    expect(settled.map(({ outcome }) => outcome)).toEqual(['rolled-back'])
    expect(await values()).toEqual({ a: 'spoiled', b: '2', c: '3' })
  })

  test('it is made where nothing is, and a test copy goes when it was looked at', async () => {
    const to = workspace.path('elsewhere', 'copy.jsonl')
    await restore({ to })
    expect(await valuesAt(to)).toEqual({ a: '1', b: '2' })
    expect(await values()).toEqual({ a: 'spoiled', b: '2', c: '3' })
    const test = await restore({ target: 'test', checks: false })
    expect([test.removed, existsSync(test.plan.place.target)]).toEqual([true, false])
  })

  test('it is proven by bringing it back aside', async () => {
    const [proof] = await proveAll(app, [{ source: 'keys', wish: { kind: 'latest' } }], 'restored', caller)
    expect(proof).toMatchObject({ result: { proof: 'restored', passed: true } })
  })

  test.each([
    [{ include: ['a'] }, 'usage', /--include does not fit/],
    [{ selection: { tables: ['a'] } }, 'usage', /--table does not fit/],
    [{ to: 'postgres:///a' }, 'target-invalid', /cannot be restored to postgres/],
  ])('what it cannot do is refused without its help: %o', async (wish, code, message) => {
    await expect(restore(wish)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as unknown })
    expect(await values()).toEqual({ a: 'spoiled', b: '2', c: '3' })
  })

  test('what must be masked is not restored unmasked', async () => {
    writeFileSync(workspace.path('mask.yaml'), 'tables: {}\n', { mode: 0o600 })
    const to = workspace.path('copy.jsonl')
    await expect(restore({ to, mask: workspace.path('mask.yaml') })).rejects.toMatchObject({ code: 'unsupported' })
    expect(existsSync(to)).toBe(false)
  })
})
