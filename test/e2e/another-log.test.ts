import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { type App, openApp } from '../../src/app/app.ts'
import type { RecoveryTarget } from '../../src/model/recovery-target.ts'
import { backUp } from '../../src/operations/backup/back-up.ts'
import { expireLogs } from '../../src/operations/logs/expire.ts'
import { fetchLogFile, pushLogFile, readLogStatuses, receiveLog } from '../../src/operations/logs/logs.ts'
import { pruneRepository } from '../../src/operations/prune/prune.ts'
import { carryOut } from '../../src/operations/restore/carry-out.ts'
import { planRestore } from '../../src/operations/restore/plan.ts'
import type { Workspace } from '../../src/operations/workspace/workspace.ts'
import { tallyFormat } from '../helpers/tally-log.ts'
import { TALLY_KIND, TallySource } from '../helpers/tally-source.ts'
import { Workspace as Installation } from '../helpers/workspace.ts'
import { workspaceOf } from '../helpers/workspace-of.ts'

/**
 * That operations and repository know nothing of PostgreSQL's log: another one, with names, order and positions of its
 * own, goes through all of them.
 */

const LOG = { kind: TALLY_KIND, id: 'Tally-A' }
const START_MS = Date.now() - 3_600_000
const at = (count: number): Date => new Date(START_MS + count * 1000)
const micros = (count: number): number => at(count).getTime() * 1000

let app: App
let source: TallySource
let workspace: Workspace
let dir = ''
const backups: string[] = []

const writeTo = async (last: number, from: number): Promise<void> => {
  for (let count = from; count <= last; count++) await source.write(count, at(count))
}
const backUpNow = async (): Promise<void> => {
  const { attempts } = await backUp(workspace, { sources: ['counts'] }, {})
  const [attempt] = attempts
  expect(attempt).toHaveProperty('result')
  if (attempt !== undefined && 'result' in attempt) backups.push(attempt.result.snapshot.id)
}
/** Until everything that was written is stored. */
const receiveAll = async (): Promise<void> => {
  const stop = new AbortController()
  const receiving = receiveLog(workspace, { intervalMs: 10 }, { signal: stop.signal })
  try {
    const newest = async (): Promise<unknown> => {
      const { position } = await source.log.inspect({} as never)
      const { ranges, unfinished } = await stored()
      return { position, last: ranges[0]?.last, unfinished }
    }
    await vi.waitFor(async () => expect(await newest()).toEqual(expected), { timeout: 20_000 })
  } finally {
    stop.abort()
    await receiving
  }
}
let expected: unknown
const stored = async () => {
  const { repositories } = await readLogStatuses(workspace, {}, {})
  const [status] = repositories
  const names: string[] = []
  const unfinished: string[] = []
  for await (const file of (await app.repository('main')).logs.list(LOG)) {
    names.push(file.name)
    if (file.unfinished) unfinished.push(file.name)
  }
  return { status, names: names.toSorted(), ranges: status?.logs[0]?.ranges ?? [], unfinished }
}
let restores = 0
const recover = async (target: RecoveryTarget, inclusive?: boolean): Promise<number[]> => {
  const to = join(dir, `restored-${++restores}`)
  const moment = { target, ...(inclusive === undefined ? {} : { inclusive }) }
  const plan = await planRestore(workspace, { source: 'counts', moment, to }, {})
  await carryOut(workspace, plan, {})
  return readFileSync(to, 'utf8').split('\n').filter(Boolean).map(Number)
}
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-another-log-'))
  const { dir: folder } = new Installation(dir)
  app = await openApp({ folder })
  await app.createRepository('main')
  source = new TallySource(dir)
  workspace = workspaceOf(app, source, tallyFormat)
  await writeTo(4, 1)
  await backUpNow()
  await writeTo(11, 5)
  expected = { position: '996/2', last: 'Page_0996', unfinished: ['Page_0996'] }
  await receiveAll()
})
afterAll(async () => {
  await app.close()
  rmSync(dir, { recursive: true, force: true })
})

it('ships and lists the log of any source', async () => {
  // Of what was received, only the newest finished file stays: the receiver goes on from there.
  const received = await readdir(join(await app.stateFolder(), 'wal', LOG.id, 'received'))
  expect(received.toSorted()).toEqual(['Page_0996.open', 'Page_0997'])
  const { status, names } = await stored()
  expect(names).toEqual(['Page_0996', 'Page_0997', 'Page_0998', 'Page_0999'])
  expect(status).toMatchObject({
    lag: { bytes: 0 },
    live: { position: '996/2' },
    findings: [],
    logs: [
      {
        id: 'Tally-A',
        ranges: [{ first: 'Page_0999', last: 'Page_0996', files: 4 }],
        gaps: [],
        windows: [{ from: at(4), to: at(11), fromPosition: '998/1' }],
      },
    ],
  })
})

it('recovers to a moment along the log of any source', async () => {
  expect(await recover({ kind: 'time', epochMicros: micros(6) })).toEqual(upTo(6))
  expect(await recover({ kind: 'time', epochMicros: micros(6) }, false)).toEqual(upTo(5))
  expect(await recover({ kind: 'position', position: '997/2' })).toEqual(upTo(8))
  expect(await recover({ kind: 'end' })).toEqual(upTo(11))
  await expect(recover({ kind: 'time', epochMicros: micros(2) })).rejects.toMatchObject({ code: 'target-invalid' })
  await expect(recover({ kind: 'time', epochMicros: micros(50) })).rejects.toMatchObject({
    message: expect.stringContaining('no page holds it'),
    hint: expect.stringContaining('Choose a moment within'),
  })
  await expect(recover({ kind: 'position', position: 'x' })).rejects.toMatchObject({
    code: 'usage',
    hint: 'Positions look like 998/2.',
  })
})

it('answers a server that pushes and fetches files of such a log', async () => {
  const wish = { folder: dir, log: 'Tally-A' }
  const path = join(source.pages, 'Page_0999')
  expect(await pushLogFile(workspace, { ...wish, path }, {})).toMatchObject({ name: 'Page_0999', outcome: 'same' })
  const destination = join(dir, 'fetched')
  const fetched = await fetchLogFile(workspace, { ...wish, name: 'Page_0998', destination }, {})
  expect(fetched).toEqual({ source: 'counts', name: 'Page_0998', outcome: 'fetched' })
  expect(await readFile(destination)).toEqual(await readFile(join(source.pages, 'Page_0998')))
  expect((await fetchLogFile(workspace, { ...wish, name: 'Page_0996', destination }, {})).outcome).toBe('fetched')
  expect(await readFile(destination)).toEqual(await readFile(join(source.pages, 'Page_0996.open')))
  expect((await fetchLogFile(workspace, { ...wish, name: 'Page_0100', destination }, {})).outcome).toBe('missing')
  const wrong = join(dir, 'Page_0999')
  await writeFile(wrong, (await readFile(path, 'utf8')).replace(' 1\n', ' 9\n'))
  await expect(pushLogFile(workspace, { ...wish, path: wrong }, {})).rejects.toMatchObject({ code: 'storage-exists' })
  const bad = { ...wish, name: '000000010000000000000001', destination }
  await expect(fetchLogFile(workspace, bad, {})).rejects.toMatchObject({ hint: 'Names look like Page_0999.' })
  const unknown = { folder: dir, name: 'Page_0999', destination }
  await expect(fetchLogFile(workspace, unknown, {})).rejects.toMatchObject({
    message: 'cannot tell which tally this is',
  })
})

it('finds a gap in such a log, and recovers nothing past it from a backup before it', async () => {
  const { logs } = await app.repository('main')
  const missing = { name: 'Page_0997', unfinished: false }
  await logs.remove(LOG, missing)
  const { status } = await stored()
  expect(status?.findings).toMatchObject([
    { severity: 'error', code: 'log-gap', subject: 'tally Tally-A', message: expect.stringContaining('1 log pages') },
  ])
  await expect(recover({ kind: 'time', epochMicros: micros(8) })).rejects.toMatchObject({ code: 'target-invalid' })
  expect(await recover({ kind: 'time', epochMicros: micros(6) })).toEqual(upTo(6))
  await pushLogFile(workspace, { folder: dir, path: join(source.pages, 'Page_0997') }, {})
  expect(await recover({ kind: 'time', epochMicros: micros(8) })).toEqual(upTo(8))
})

it('removes what no backup needs of such a log', async () => {
  await writeTo(13, 12)
  await backUpNow()
  expected = { position: '995/1', last: 'Page_0995', unfinished: ['Page_0995'] }
  await receiveAll()
  const [first = ''] = backups
  const repository = await app.repository('main')
  const { signal } = new AbortController()
  expect(await expireLogs(workspace, repository, { dryRun: false, signal })).toMatchObject({ files: 1 })
  expect((await stored()).names).not.toContain('Page_0999')
  const dry = { repository: 'main', dryRun: true, withoutSnapshots: [first] }
  expect((await pruneRepository(workspace, dry, {})).log).toMatchObject({ files: 3 })
  await expireLogs(workspace, repository, { dryRun: false, withoutSnapshots: [first], signal })
  expect((await stored()).names).toEqual(['Page_0995'])
  // Another version may know what it is.
  const unknowing: Workspace = { ...workspace, logFormat: async () => undefined }
  const left = await expireLogs(unknowing, repository, { dryRun: false, signal })
  expect(left).toMatchObject({ files: 0, findings: [{ code: 'log-unknown' }] })
  expect((await stored()).names).toEqual(['Page_0995'])
})
