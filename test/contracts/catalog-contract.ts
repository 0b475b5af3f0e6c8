import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Catalog, CatalogDefinition, Run } from '../../src/catalog/catalog.ts'
import type { Finding } from '../../src/model/finding.ts'

const run = (id: string, minute: number, more: Partial<Run> = {}): Run => ({
  id,
  operation: 'backup',
  startedAt: new Date(Date.UTC(2026, 0, 1, 0, minute)),
  finishedAt: new Date(Date.UTC(2026, 0, 1, 0, minute + 1)),
  outcome: 'done',
  statistics: { bytesRead: 2 ** 40, files: 3 },
  findings: [],
  ...more,
})

/** What every catalog guarantees. */
export function testCatalog(definition: CatalogDefinition): void {
  describe(`catalog ${definition.kind}`, () => {
    let place = ''
    const opened: Catalog[] = []
    const findings: Finding[] = []
    const open = async (): Promise<Catalog> => {
      const catalog = await (await definition.load())(place, finding => findings.push(finding))
      opened.push(catalog)
      return catalog
    }
    beforeEach(async () => {
      place = await mkdtemp(join(tmpdir(), 'lifeboat-catalog-'))
      findings.length = 0
    })
    afterEach(async () => {
      for (const catalog of opened.splice(0)) await catalog.close()
      await rm(place, { recursive: true, force: true })
    })

    test('keeps runs, newest first, over closing', async () => {
      const finding: Finding = { severity: 'warning', code: 'file-changed', subject: 'a', message: 'changed' }
      const full = run('b', 2, { source: 'app', repository: 'main', snapshot: 'f'.repeat(64), findings: [finding] })
      const first = await open()
      await first.saveRun(run('a', 1))
      await first.saveRun(full)
      await first.saveRun(run('c', 3, { operation: 'check', outcome: 'failed' }))
      await first.close()
      const second = await open()
      expect((await second.listRuns({ limit: 10 })).map(each => each.id)).toEqual(['c', 'b', 'a'])
      expect(await second.listRuns({ operation: 'backup', source: 'app', limit: 10 })).toEqual([full])
      expect(await second.listRuns({ limit: 1 })).toHaveLength(1)
      expect(findings).toEqual([])
    })

    test('saves a run again in place of itself', async () => {
      const catalog = await open()
      await catalog.saveRun(run('a', 1, { outcome: 'failed' }))
      await catalog.saveRun(run('a', 1))
      expect((await catalog.listRuns({ limit: 9 })).map(each => each.outcome)).toEqual(['done'])
    })

    test('keeps the strongest proof, repositories apart', async () => {
      const catalog = await open()
      const [at, later] = [new Date(1_000), new Date(2_000)]
      await catalog.saveProofs('r1', ['s1', 's2'], 'restored', at)
      await catalog.saveProofs('r1', ['s2', 's3'], 'checked', later)
      await catalog.saveProofs('r1', ['s1'], 'restored', later)
      await catalog.saveProofs('r2', [], 'checked', at)
      expect(Object.fromEntries(await catalog.listProofs('r1'))).toEqual({
        s1: { proof: 'restored', at: later },
        s2: { proof: 'restored', at },
        s3: { proof: 'checked', at: later },
      })
      expect((await catalog.listProofs('r2')).size).toBe(0)
    })

    test('lets a failure undo what was proven, until as much is proven again', async () => {
      const catalog = await open()
      const times = [1, 2, 3, 4].map(second => new Date(second * 1_000))
      const [first = new Date(0), second = first, third = first, fourth = first] = times
      await catalog.saveProofs('r', ['s', 't'], 'restored', first)
      await catalog.saveFailedProofs('r', ['s'], 'restored', second)
      await catalog.saveFailedProofs('r', ['t'], 'checked', second)
      await catalog.saveProofs('r', ['s', 't'], 'checked', third)
      expect(Object.fromEntries(await catalog.listProofs('r'))).toEqual({
        s: { proof: 'failed', at: second },
        t: { proof: 'checked', at: third },
      })
      await catalog.saveProofs('r', ['s'], 'restored', fourth)
      expect((await catalog.listProofs('r')).get('s')).toEqual({ proof: 'restored', at: fourth })
    })

    test('serves several at once', async () => {
      const all = await Promise.all(Array.from({ length: 8 }, open))
      await Promise.all(all.map((catalog, index) => catalog.saveRun(run(`r${index}`, index))))
      await Promise.all(all.map((catalog, index) => catalog.saveProofs('r', [`s${index}`], 'checked', new Date())))
      expect(await (await open()).listRuns({ limit: 100 })).toHaveLength(8)
      expect((await (await open()).listProofs('r')).size).toBe(8)
      expect(findings).toEqual([])
    })
  })
}
