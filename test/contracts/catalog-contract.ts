import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type {
  AlertRecord,
  Attempt,
  Catalog,
  CatalogDefinition,
  NewRun,
  NoticeRecord,
  RunEnd,
  SlotRecord,
} from '../../src/catalog/catalog.ts'
import type { Finding } from '../../src/model/finding.ts'

const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute))
const OWNER = { hostname: 'h', pid: 7, start: 'boot ns 5' }
const newRun = (id: string, minute: number, more: Partial<NewRun> = {}): NewRun => ({
  id,
  operation: 'backup',
  startedAt: at(minute),
  owner: OWNER,
  ...more,
})
const attempt = (minute: number, more: Partial<Attempt> = {}): Attempt => ({
  operation: 'backup',
  source: 'app',
  repository: 'main',
  startedAt: at(minute),
  finishedAt: at(minute + 1),
  outcome: 'done',
  snapshot: undefined,
  statistics: { bytesRead: 2 ** 40, files: 3 },
  findings: [],
  ...more,
})
const end = (minute: number, more: Partial<RunEnd> = {}): RunEnd => ({
  outcome: 'done',
  finishedAt: at(minute),
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

    const finding: Finding = { severity: 'warning', code: 'file-changed', subject: 'a', message: 'changed' }

    test('keeps runs with their attempts, newest first, over closing', async () => {
      const first = await open()
      await first.beginRun(newRun('a1', 1))
      await first.endRun('a1', end(2))
      await first.beginRun(newRun('b1', 2, { policy: 'nightly' }))
      const attempts = [attempt(2, { snapshot: 'f'.repeat(64), findings: [finding] }), attempt(3, { source: 'docs' })]
      for (const each of attempts) await first.saveAttempt('b1', each)
      await first.endRun('b1', end(4, { outcome: 'incomplete', findings: [finding] }))
      await first.beginRun(newRun('b2', 3, { operation: 'check' }))
      await first.close()
      const second = await open()
      expect((await second.listRuns({ limit: 10 })).map(({ id }) => id)).toEqual(['b2', 'b1', 'a1'])
      expect(await second.listRuns({ operation: 'backup', source: 'docs', limit: 10 })).toEqual([
        {
          ...newRun('b1', 2, { policy: 'nightly' }),
          end: end(4, { outcome: 'incomplete', findings: [finding] }),
          attempts,
        },
      ])
      expect(await second.listRuns({ limit: 1 })).toHaveLength(1)
      expect((await second.listRuns({ id: 'b', limit: 9 })).map(({ id }) => id)).toEqual(['b2', 'b1'])
      expect(await second.listRuns({ id: '%', limit: 9 })).toEqual([])
      expect(findings).toEqual([])
    })

    test('shows a run from its beginning, as one that has not ended', async () => {
      const catalog = await open()
      await catalog.beginRun(newRun('a', 1))
      await catalog.saveAttempt('a', attempt(1))
      expect(await catalog.listRuns({ limit: 1 })).toMatchObject([{ owner: OWNER, end: undefined, attempts: [{}] }])
    })

    test('lists the attempts at one copy, newest first, of whichever runs', async () => {
      const catalog = await open()
      for (const [minute, id] of ['a', 'b', 'c'].entries()) {
        await catalog.beginRun(newRun(id, minute))
        await catalog.saveAttempt(id, attempt(minute))
        await catalog.saveAttempt(id, attempt(minute, { repository: 'other' }))
        await catalog.saveAttempt(id, attempt(minute, { operation: 'verify' }))
      }
      const copy = { operation: 'backup', source: 'app', repository: 'main' }
      expect(await catalog.listAttempts({ ...copy, limit: 2 })).toEqual([attempt(2), attempt(1)])
      expect(await catalog.listAttempts({ ...copy, source: 'docs', limit: 2 })).toEqual([])
    })

    test('gives a lease to one holder until it has run out or is given back', async () => {
      const [one, other] = [await open(), await open()]
      const lease = (holder: string, minute: number) => ({ name: 'schedule', holder, until: at(minute) })
      expect(await one.acquireLease(lease('a', 5), at(0))).toEqual(lease('a', 5))
      expect(await other.acquireLease(lease('b', 9), at(4))).toBeUndefined()
      expect(await one.acquireLease(lease('a', 7), at(4))).toEqual(lease('a', 7))
      expect(await other.acquireLease(lease('b', 9), at(6))).toBeUndefined()
      expect(await other.acquireLease(lease('b', 9), at(7))).toEqual(lease('b', 9))
      await one.releaseLease('schedule', 'a')
      expect(await one.acquireLease(lease('a', 9), at(8))).toBeUndefined()
      await other.releaseLease('schedule', 'b')
      expect(await one.acquireLease(lease('a', 9), at(8))).toEqual(lease('a', 9))
      expect(await other.acquireLease({ ...lease('b', 9), name: 'other' }, at(8))).toBeDefined()
    })

    test('keeps jobs with their pauses, and lets one claim each attempt at a slot', async () => {
      const [one, other] = [await open(), await open()]
      const job = { name: 'backup nightly', schedule: 'h1', since: at(0), pausedUntil: undefined }
      await one.saveJob(job)
      await one.saveJob({ ...job, name: 'prune main' })
      await other.saveJob({ ...job, pausedUntil: at(9) })
      expect(await one.listJobs()).toEqual([
        { ...job, pausedUntil: at(9) },
        { ...job, name: 'prune main' },
      ])
      const slot: SlotRecord = {
        job: job.name,
        at: at(1),
        wall: '2026-01-01T01:01',
        timezone: 'Europe/Berlin',
        schedule: 'h1',
        attempt: 1,
        phase: 'running',
        changedAt: at(2),
        owner: undefined,
        run: undefined,
      }
      expect([await one.claimSlot(slot), await other.claimSlot(slot)]).toEqual([true, false])
      // Not while it runs; then only as the next attempt.
      expect(await other.claimSlot({ ...slot, attempt: 2 })).toBe(false)
      const failed: SlotRecord = { ...slot, phase: 'failed', changedAt: at(3), owner: OWNER, run: 'r1' }
      await one.updateSlot(failed)
      expect(await other.listSlots({ limit: 9 })).toEqual([failed])
      const again = { ...slot, attempt: 2, changedAt: at(4) }
      expect([await other.claimSlot(slot), await other.claimSlot(again), await one.claimSlot(again)]).toEqual([
        false,
        true,
        false,
      ])
      await one.claimSlot({ ...slot, job: 'prune main', changedAt: at(5) })
      expect((await one.listSlots({ limit: 9 })).map(each => each.job)).toEqual(['prune main', job.name])
      expect(await one.listSlots({ job: job.name, limit: 9 })).toEqual([again])
    })

    test('keeps alerts, those that are open first, and what is still to be told', async () => {
      const catalog = await open()
      const alert = (key: string, minute: number, more: Partial<AlertRecord> = {}): AlertRecord => ({
        key,
        finding: { severity: 'error', code: 'c', subject: key, message: 'm', hint: 'h' },
        openedAt: at(minute),
        toldAt: undefined,
        told: 0,
        missingSince: undefined,
        silencedUntil: undefined,
        closedAt: undefined,
        ...more,
      })
      const closed = alert('a', 1, { closedAt: at(3), toldAt: at(1), told: 1 })
      for (const each of [alert('b', 2), alert('a', 1), closed, alert('a', 4, { missingSince: at(5) })]) {
        await catalog.saveAlert(each)
      }
      expect(await catalog.listAlerts({ closed: 5 })).toEqual([
        alert('b', 2),
        alert('a', 4, { missingSince: at(5) }),
        closed,
      ])
      expect(await catalog.listAlerts({ closed: 0 })).toHaveLength(2)
      const notice: NoticeRecord = {
        id: 'n1',
        notifier: 'ops',
        content: '{}',
        createdAt: at(1),
        tries: 0,
        nextAt: at(1),
        failure: undefined,
        settledAt: undefined,
      }
      await catalog.saveNotice({ ...notice, id: 'n2', createdAt: at(2) })
      await catalog.saveNotice(notice)
      await catalog.saveNotice({ ...notice, tries: 1, failure: 'down', nextAt: at(9) })
      const pending = await catalog.listPendingNotices()
      expect(pending.map(each => [each.id, each.tries, each.failure])).toEqual([
        ['n1', 1, 'down'],
        ['n2', 0, undefined],
      ])
      await catalog.saveNotice({ ...notice, settledAt: at(9) })
      expect((await catalog.listPendingNotices()).map(each => each.id)).toEqual(['n2'])
    })

    test('keeps the strongest proof, repositories apart', async () => {
      const catalog = await open()
      const [first, later] = [new Date(1_000), new Date(2_000)]
      await catalog.saveProofs('r1', ['s1', 's2'], 'restored', first)
      await catalog.saveProofs('r1', ['s2', 's3'], 'checked', later)
      await catalog.saveProofs('r1', ['s1'], 'restored', later)
      await catalog.saveProofs('r2', [], 'checked', first)
      expect(Object.fromEntries(await catalog.listProofs('r1'))).toEqual({
        s1: { proof: 'restored', at: later },
        s2: { proof: 'restored', at: first },
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
      await Promise.all(all.map((catalog, index) => catalog.beginRun(newRun(`r${index}`, index))))
      await Promise.all(all.map((catalog, index) => catalog.saveProofs('r', [`s${index}`], 'checked', new Date())))
      expect(await (await open()).listRuns({ limit: 100 })).toHaveLength(8)
      expect((await (await open()).listProofs('r')).size).toBe(8)
      expect(findings).toEqual([])
    })
  })
}
