import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { backUp, engineOptions, memoryStorageOf, SteppedClock } from '../../../test/helpers/engine.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import { createRepository } from '../../repository/index.ts'
import type { ProbeReport } from '../probe/storage-probe.ts'
import { type DoctorRequest, doctor } from './doctor.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lifeboat-doctor-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const well: ProbeReport = { location: 'memory:', canRestore: true, canBackUp: true, canDelete: true, checks: [] }
const probed = { probe: async () => well, permissions: [] }

async function examine(more: Partial<DoctorRequest> = {}) {
  const result = await doctor({
    versions: { lifeboat: '1.2.3' },
    config: { file: '/app/lifeboat.yaml' },
    privatePlaces: [],
    ownedFolders: [],
    repositories: [],
    sources: [
      {
        name: 'app',
        readClock: async () => undefined,
        probe: async () => ({ source: 'app', kind: 'sqlite', ready: true, findings: [] }),
      },
    ],
    hooks: [],
    scratchDir: folder,
    searchPath: folder,
    programs: [],
    clock: systemClock,
    signal: new AbortController().signal,
    ...more,
  })
  const statuses = Object.fromEntries(result.checks.map(({ area, name, status }) => [`${area} ${name}`, status]))
  return { ...result, statuses }
}

test('a machine without faults is healthy', async () => {
  const { healthy, statuses } = await examine()
  expect(healthy).toBe(true)
  expect(statuses).toMatchObject({ 'versions lifeboat': 'ok', 'clock clock': 'ok', 'tools restic': 'info' })
})

test('a configuration that names nothing to protect is a warning', async () => {
  expect((await examine({ sources: [] })).statuses['configuration lifeboat.yaml']).toBe('warning')
  expect((await examine()).statuses['configuration lifeboat.yaml']).toBe('ok')
})

test('finds tools by their path and asks for their version', async () => {
  await writeFile(join(folder, 'restic'), '#!/bin/sh\necho "restic 0.14.0 compiled with go"\n', { mode: 0o755 })
  await writeFile(join(folder, 'sqlite3'), 'not executable', { mode: 0o644 })
  const { checks, statuses } = await examine()
  expect(checks.find(check => check.name === 'restic')?.message).toBe(`${join(folder, 'restic')}, 0.14.0`)
  expect(statuses['tools sqlite3']).toBe('info')
})

test('secrets that others can read are a warning, with the command that helps', async () => {
  const path = join(folder, 'password')
  await writeFile(path, 'x', { mode: 0o600 })
  const privatePlaces = [{ what: 'password of main', path }]
  expect((await examine({ privatePlaces })).statuses['permissions password of main']).toBe('ok')
  await chmod(path, 0o644)
  const { checks, healthy } = await examine({ privatePlaces })
  expect(checks.find(check => check.area === 'permissions')).toMatchObject({
    status: 'warning',
    hint: `Run "chmod go= ${path}".`,
  })
  expect(healthy).toBe(true)
})

test('a broken configuration, an unreachable repository and an unfit source make it ill', async () => {
  const wrong = new AppError('wrong-password', 'wrong password for /backups', { hint: 'Check it.' })
  const { healthy, checks, statuses } = await examine({
    config: { error: new AppError('config-invalid', 'lifeboat.yaml:3:1: x'), named: false },
    repositories: [{ name: 'main', open: () => Promise.reject(wrong), freeBytes: async () => 1, ...probed }],
    sources: [
      {
        name: 'app',
        readClock: () => Promise.reject(new Error('it is not asked')),
        probe: async () => ({
          source: 'app',
          kind: 'sqlite',
          ready: false,
          findings: [{ severity: 'error', code: 'x', subject: 'app.db', message: 'does not exist' }],
        }),
      },
    ],
  })
  expect(healthy).toBe(false)
  expect(statuses).toMatchObject({
    'configuration lifeboat.yaml': 'error',
    'repository main': 'error',
    'source app': 'error',
  })
  expect(checks.find(check => check.area === 'repository')).toMatchObject({ message: wrong.message, hint: 'Check it.' })
})

const at = (time: number): Clock => ({ ...systemClock, now: () => new Date(time) })

test('a clock that is off is found', async () => {
  expect((await examine({ clock: at(0) })).statuses['clock clock']).toBe('error')
  expect((await examine({ clock: at(Date.now() + 3_600_000) })).statuses['clock clock']).toBe('warning')
})

test('tells of programs that sources work with, and warns of none that is missing', async () => {
  const programs = [
    { name: 'abacus', isFound: true, message: '/a, 16.1' },
    { name: 'slate', isFound: false, message: 'not found', hint: 'Install it.' },
  ]
  const { checks, healthy } = await examine({ programs })
  expect(checks.filter(({ name }) => ['abacus', 'slate'].includes(name))).toEqual([
    { area: 'tools', name: 'abacus', status: 'ok', message: '/a, 16.1' },
    { area: 'tools', name: 'slate', status: 'info', message: 'not found', hint: 'Install it.' },
  ])
  expect(healthy).toBe(true)
})

test('a hook that could not run is told before the restore that needs it', async () => {
  await writeFile(join(folder, 'start'), '', { mode: 0o755 })
  await writeFile(join(folder, 'plain'), '', { mode: 0o644 })
  const hook = (program: string) => ({ owner: 'source app', name: 'before' as const, program })
  expect((await examine({ hooks: [hook('start'), hook(join(folder, 'start'))] })).healthy).toBe(true)
  for (const program of ['stop', join(folder, 'stop'), join(folder, 'plain')]) {
    const { healthy, checks } = await examine({ hooks: [hook(program)] })
    expect([healthy, checks.at(-1)?.message]).toEqual([false, expect.stringContaining(program)])
  }
})

describe('clocks of others are compared with ours', () => {
  const ready = async () => ({ source: 'app', kind: 'postgres', ready: true, findings: [] })
  const source = (offMinutes: number | undefined) => ({
    name: 'app',
    probe: ready,
    readClock: async () => (offMinutes === undefined ? undefined : new Date(Date.now() + offMinutes * 60_000)),
  })

  test.each([
    [undefined, 'ok', 'ready'],
    [1, 'ok', 'ready'],
    [40, 'warning', '2400 s ahead of ours'],
    [-40, 'warning', '2400 s behind ours'],
  ])('a database that is %s minutes off: %s', async (minutes, status, message) => {
    const { checks } = await examine({ sources: [source(minutes)] })
    expect(checks.at(-1)).toMatchObject({ status, message: expect.stringContaining(message) })
  })

  test('a storage, and what a wrong clock stored there', async () => {
    const ours = new SteppedClock()
    const theirs = new SteppedClock()
    const repository = await createRepository(memoryStorageOf(theirs), engineOptions(ours))
    const open = async () => repository
    const main = { name: 'main', open, freeBytes: async () => undefined, ...probed }
    const warnings = async () =>
      (await examine({ clock: ours, repositories: [main] })).checks.filter(
        ({ area, status }) => area === 'repository' && status === 'warning',
      )
    try {
      expect(await warnings()).toEqual([])
      theirs.advance(3_600_000)
      const { id } = await backUp(repository, {}, undefined, { time: new Date('2040-01-01T00:00:00Z') })
      ours.advance(60_001)
      theirs.advance(60_001)
      expect((await warnings()).map(({ message, hint }) => `${message}, ${hint}`)).toEqual([
        expect.stringMatching(`from the future.*lifeboat forget ${id.slice(0, 8)}`),
        expect.stringMatching('the clock of its storage is 3600 s ahead of ours'),
      ])
      expect(await repository.listLocks()).toEqual([])
    } finally {
      await repository.close()
    }
  })
})

test.skipIf(process.geteuid?.() !== 0)(
  'files that root left in another user’s folder are named, with the line that mends it',
  async () => {
    const path = join(folder, 'our backups')
    await mkdir(path)
    await writeFile(join(path, 'config'), '')
    await chown(path, 4711, 4712)
    const { checks, healthy } = await examine({ ownedFolders: [{ what: 'repository main', path }] })
    expect(healthy).toBe(true)
    expect(checks.find(({ name }) => name === 'repository main')).toMatchObject({
      area: 'permissions',
      message: expect.stringContaining(join(path, 'config')),
      hint: `As root run: chown -R 4711:4712 '${path}'`,
    })
  },
)

describe('a storage', () => {
  const storage = (more: Partial<ProbeReport>): Partial<DoctorRequest> => ({
    repositories: [
      {
        name: 'far',
        open: () => Promise.reject(new AppError('no-repository', 'there is no repository')),
        freeBytes: async () => undefined,
        probe: async () => ({ ...well, ...more }),
        permissions: [{ title: 'policy', text: '{}' }],
      },
    ],
  })

  test('that cannot be reached is an error, and nobody waits for its repository', async () => {
    const { healthy, checks } = await examine(
      storage({ checks: [{ name: 'list', status: 'unknown', detail: 'no answer within 30 s' }] }),
    )
    expect(healthy).toBe(false)
    expect(checks.filter(({ name }) => name === 'far')).toMatchObject([{ area: 'storage', status: 'error' }])
  })

  test('whose credentials only read is a warning that says what is possible, and how they get more', async () => {
    const { checks, permissions } = await examine(
      storage({
        canBackUp: false,
        checks: [
          { name: 'read', status: 'ok', detail: 'objects can be read' },
          { name: 'write', status: 'missing', detail: 'access is denied', fix: 'Ask for more.' },
          { name: 'space', status: 'unknown', detail: 'it does not tell' },
        ],
      }),
    )
    expect(checks.filter(({ area }) => area === 'storage')).toEqual([
      { area: 'storage', name: 'far', status: 'ok', message: 'tried: read' },
      {
        area: 'storage',
        name: 'far',
        status: 'warning',
        message: 'no backups can be made; restores are possible: access is denied',
        hint: expect.stringMatching(/^Ask for more\. .*lifeboat doctor --permissions$/),
      },
    ])
    expect(permissions).toEqual([{ repository: 'far', title: 'policy', text: '{}' }])
  })
})
