import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import { silentLogger } from '../../base/logger.ts'
import { ownVersion } from '../../base/package.ts'
import { thisSystem } from '../../base/system.ts'
import { HOOK_NAMES, type Hook, type HookName } from '../../model/hook.ts'
import type { StorageAccess } from '../../model/storage-access.ts'
import { probe } from '../probe/probe.ts'
import { probeRepository } from '../probe/probe-repository.ts'
import { repositoryNames } from '../workspace/names.ts'
import type { Caller } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type DoctorHook, type DoctorRequest, type DoctorResult, doctor } from './doctor.ts'

/** A configuration that could not be read, which is what a doctor is called for. */
export interface NoWorkspace {
  readonly error: AppError
  /** A person named the file: it has to be there. */
  readonly named: boolean
}

/** What the machine has, beside the workspace. */
export interface Surroundings extends Pick<DoctorRequest, 'programs'> {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Only this repository; default: all. */
  readonly repository?: string | undefined
}

/** Looks for what would make a backup or a restore fail on this machine. Changes nothing, and makes nothing that stays. */
export async function examine(
  found: Workspace | NoWorkspace,
  surroundings: Surroundings,
  caller: Caller,
): Promise<DoctorResult> {
  // Not the state folder: it may not be there yet.
  const scratchDir = await mkdtemp(join(tmpdir(), 'lifeboat-doctor-'))
  try {
    const { environment, programs, clock } = surroundings
    const signal = caller.signal ?? new AbortController().signal
    const context = { signal, clock, logger: caller.logger ?? silentLogger, scratchDir }
    return await doctor({
      versions: {
        lifeboat: ownVersion(),
        node: process.versions.node,
        sqlite: process.versions.sqlite ?? 'none',
        system: thisSystem(),
      },
      ...('error' in found ? nothingOf(found) : await partsOf(found, surroundings.repository, context)),
      scratchDir,
      searchPath: environment['PATH'] ?? '',
      timeZone: environment['TZ'],
      programs,
      clock,
      signal,
    })
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

type Parts = Pick<DoctorRequest, 'config' | 'privatePlaces' | 'ownedFolders' | 'repositories' | 'sources' | 'hooks'>

function nothingOf(config: NoWorkspace): Parts {
  return { config, privatePlaces: [], repositories: [], sources: [], hooks: [], ownedFolders: [] }
}

async function partsOf(
  workspace: Workspace,
  only: string | undefined,
  context: Parameters<typeof probe>[1],
): Promise<Parts> {
  const { settings, stateDir } = workspace
  const { file, baseDir, sources, policies } = settings
  const names = settings.repositories.size === 0 && only === undefined ? [] : repositoryNames(workspace, only)
  const places = names.map(name => ({ name, ...workspace.repositoryPlace(name) }))
  const state = { what: 'state folder', path: stateDir }
  return {
    config:
      file === undefined
        ? { error: new AppError('config-not-found', 'no lifeboat.yaml is in use'), named: false }
        : { file },
    privatePlaces: [
      state,
      ...places.flatMap(({ name, password }) =>
        password?.kind === 'file' ? [{ what: `password of ${name}`, path: password.path }] : [],
      ),
      ...(await environmentFiles(baseDir)),
    ],
    repositories: names.map(name => ({
      name,
      open: () => workspace.repository(name),
      freeBytes: () => freeBytesOf(workspace, name),
      probe: () => probeRepository(workspace, name, context.signal),
      permissions: documentsOf(workspace, name),
    })),
    sources: [...sources.keys()].map(name => ({
      name,
      probe: async () => probe(await workspace.source(name), context),
      readClock: async () => (await workspace.source(name)).readClock?.(context),
    })),
    ownedFolders: [
      state,
      ...places.flatMap(({ name, folder }) =>
        folder === undefined ? [] : [{ what: `repository ${name}`, path: folder }],
      ),
    ],
    hooks: [
      ...[...sources].flatMap(([name, { restore }]) => hooksOf(`source ${name}`, restore ?? {}, baseDir)),
      ...[...policies].flatMap(([name, policy]) => hooksOf(`policy ${name}`, policy, baseDir)),
    ],
  }
}

/** A URL that is none is told by the probe. */
function documentsOf(workspace: Workspace, name: string): StorageAccess['permissions'] {
  try {
    return workspace.storageAccess(name).permissions
  } catch (error) {
    if (error instanceof AppError) return []
    throw error
  }
}

async function freeBytesOf(workspace: Workspace, name: string): Promise<number | undefined> {
  const storage = await workspace.openStorage(name)
  try {
    return await storage.freeBytes()
  } finally {
    await storage.close()
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
