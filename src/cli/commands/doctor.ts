import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { App } from '../../app.ts'
import { AppError } from '../../base/errors.ts'
import { HOOK_NAMES, type Hook, type HookName } from '../../model/hook.ts'
import type { DoctorHook, DoctorRequest } from '../../operations/doctor/doctor.ts'
import type { DoctorCheck } from '../../operations/doctor/doctor-check.ts'
import type { OwnedFolder } from '../../operations/doctor/ownership.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Call, Command, Output } from '../command.ts'
import { formatTable } from '../printers/text.ts'
import { repoOf } from '../selection.ts'

export const doctor: Command = {
  name: 'doctor',
  summary: 'check this machine for anything that would make a backup or restore fail',
  description: [
    'Checks versions, tools, the configuration, permissions of secrets, clocks (this machine, storage, databases) and free space; that every repository opens, every source can be backed up, and the programs of hooks exist. Changes nothing. Exits with 1 if something is wrong.',
  ],
  examples: [
    { command: 'lifeboat doctor', explains: 'check everything' },
    { command: 'lifeboat doctor --json', explains: 'the same, for monitoring' },
  ],
  run: async call => {
    const { doctor: examine } = await import('../../operations/doctor/doctor.ts')
    const result = await withRequest(call, examine)
    return { json: result, text: printChecks(result.checks, call), exitCode: result.healthy ? 0 : 1 }
  },
}

async function withRequest<T>(call: Call, work: (request: DoctorRequest) => Promise<T>): Promise<T> {
  // Not the state folder: the doctor makes nothing that stays.
  const scratchDir = await mkdtemp(join(tmpdir(), 'lifeboat-doctor-'))
  try {
    return await work(await makeRequest(call, scratchDir))
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

async function makeRequest(call: Call, scratchDir: string): Promise<DoctorRequest> {
  const { ownVersion } = await import('../../base/package.ts')
  const { thisSystem } = await import('../../base/system.ts')
  const { listPostgresPrograms } = await import('../../app.ts')
  const named = call.values.text('config') !== undefined
  const app = await call.openApp({ onFinding: () => {} }).catch(asConfigError)
  return {
    versions: {
      lifeboat: ownVersion(),
      node: process.versions.node,
      sqlite: process.versions.sqlite ?? 'none',
      system: thisSystem(),
    },
    ...(app instanceof AppError
      ? { config: { error: app, named }, privatePlaces: [], repositories: [], sources: [], hooks: [], ownedFolders: [] }
      : await fromApp(app, call, scratchDir)),
    scratchDir,
    searchPath: call.environment.PATH ?? '',
    timeZone: call.environment.TZ,
    postgresPrograms: await listPostgresPrograms(call.environment),
    clock: call.clock,
    signal: call.signal,
  }
}

async function fromApp(
  app: App,
  call: Call,
  scratchDir: string,
): Promise<Pick<DoctorRequest, 'config' | 'privatePlaces' | 'ownedFolders' | 'repositories' | 'sources' | 'hooks'>> {
  const { probe } = await import('../../operations/probe/probe.ts')
  const { config } = app
  const { signal, clock, logger } = call
  const context = { signal, clock, logger, scratchDir }
  const only = repoOf(call)
  if (only !== undefined) app.repositorySettings(only)
  const names = only === undefined ? [...config.repositories.keys()] : [only]
  const passwords = names.flatMap(name => {
    const { passwordFile } = app.repositorySettings(name)
    return passwordFile === undefined
      ? []
      : [{ what: `password of ${name}`, path: resolve(config.baseDir, passwordFile) }]
  })
  return {
    config:
      config.file === undefined
        ? { error: new AppError('config-not-found', 'no lifeboat.yaml is in use'), named: false }
        : { file: config.file },
    privatePlaces: [
      { what: 'state folder', path: config.stateDir },
      ...passwords,
      ...(await environmentFiles(config.baseDir)),
    ],
    repositories: names.map(name => ({
      name,
      open: () => app.repository(name),
      freeBytes: () => withStorage(app, name, storage => storage.freeBytes()),
    })),
    sources: [...config.sources.keys()].map(name => ({
      name,
      probe: async () => probe(await app.source(name), context),
      readClock: async () => (await app.source(name)).readClock?.(context),
    })),
    ownedFolders: [{ what: 'state folder', path: config.stateDir }, ...localRepositories(app, names)],
    hooks: [
      ...[...config.sources].flatMap(([name, { restore }]) => hooksOf(`source ${name}`, restore ?? {}, config.baseDir)),
      ...[...config.policies].flatMap(([name, policy]) => hooksOf(`policy ${name}`, policy, config.baseDir)),
    ],
  }
}

function hooksOf(owner: string, hooks: Partial<Record<HookName, Hook | undefined>>, baseDir: string): DoctorHook[] {
  return HOOK_NAMES.flatMap(name => {
    const hook = hooks[name]
    if (hook === undefined || !('command' in hook)) return []
    const [program = ''] = hook.command
    return [{ owner, name, program: program.includes('/') ? resolve(baseDir, program) : program }]
  })
}

/** Variables of the application often hold passwords. Examples that are committed hold none. */
async function environmentFiles(folder: string): Promise<Array<{ readonly what: string; readonly path: string }>> {
  const names = await readdir(folder).catch(() => [])
  return names
    .filter(name => /^\.env(\.|$)/.test(name) && !/\.(example|sample|template|dist|defaults)$/.test(name))
    .map(name => ({ what: name, path: join(folder, name) }))
}

function localRepositories(app: App, names: readonly string[]): OwnedFolder[] {
  const wanted = app.repositoryFolders().filter(({ name }) => names.includes(name))
  return wanted.map(({ name, path }) => ({ what: `repository ${name}`, path }))
}

async function withStorage<T>(app: App, name: string, work: (storage: Storage) => Promise<T>): Promise<T> {
  const storage = await app.openStorage(name)
  try {
    return await work(storage)
  } finally {
    await storage.close()
  }
}

function asConfigError(error: unknown): AppError {
  if (error instanceof AppError && error.code.startsWith('config-')) return error
  throw error
}

const STYLES = { ok: 'green', info: 'cyan', warning: 'yellow', error: 'red' } as const

function printChecks(checks: readonly DoctorCheck[], call: Call): Output['text'] {
  const paint = call.terminal.out
  const table = formatTable(
    [
      { title: 'AREA', value: (check: DoctorCheck) => check.area },
      { title: 'NAME', value: check => check.name },
      { title: 'STATUS', value: check => check.status },
      { title: 'FOUND', value: check => check.message.replaceAll('\n', '; ') },
    ],
    checks,
    paint,
  )
  const worse = checks.filter(check => check.status === 'error' || check.status === 'warning')
  const hints = worse.map(check => {
    const hint = check.hint === undefined ? '' : `\n  ${check.hint}`
    return `${paint(STYLES[check.status], `${check.status}:`)} ${check.name}: ${check.message}${hint}\n`
  })
  const verdict = worse.length === 0 ? `${paint('green', 'All is well.')}\n` : ''
  return `${table}\n${hints.join('')}${verdict}`
}
