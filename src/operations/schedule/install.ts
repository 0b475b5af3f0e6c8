import { homedir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { AppError } from '../../base/errors.ts'
import { makeFolders } from '../../base/make-folders.ts'
import { replaceFile } from '../../base/new-file.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { cronLine, pm2File, type ServiceRequest, systemdUnit } from './service-files.ts'

export interface InstallWish {
  readonly way: 'systemd' | 'pm2' | 'cron'
  /** What starts this program. */
  readonly program: readonly string[]
  readonly printOnly: boolean
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface Installed {
  readonly content: string
  /** Where it was written. Undefined: nowhere, it is to be printed. */
  readonly file?: string | undefined
  /** Commands that make it run. */
  readonly next: readonly string[]
}

/** Makes a service of this configuration. Only a unit of systemd is written; the others are for the caller to print. */
export async function installService(workspace: Workspace, wish: InstallWish): Promise<Installed> {
  const request = requestOf(workspace, wish)
  if (wish.way === 'cron') return { content: cronLine(request), next: [] }
  if (wish.way === 'pm2') return { content: pm2File(request), next: [] }
  const content = systemdUnit(request)
  if (wish.printOnly) return { content, next: [] }
  const isMachines = request.user !== undefined
  const file = join(isMachines ? '/etc/systemd/system' : join(homeOf(wish), '.config/systemd/user'), 'lifeboat.service')
  await makeFolders(dirname(file))
  await replaceFile(file, content, 0o644)
  const systemctl = isMachines ? 'systemctl' : 'systemctl --user'
  const lingering = isMachines ? [] : [`loginctl enable-linger ${userInfo().username}`]
  return { content, file, next: [`${systemctl} daemon-reload`, `${systemctl} enable --now lifeboat`, ...lingering] }
}

function requestOf(workspace: Workspace, { program }: InstallWish): ServiceRequest {
  const { settings, ownFolders, stateDir } = workspace
  if (settings.file === undefined) {
    throw new AppError('usage', 'there is no configuration to make a service of', {
      hint: 'Make one with: lifeboat init',
    })
  }
  const places = [...settings.sources.keys()].map(name => workspace.ownPlace(name))
  // Whoever reads a database in WAL mode writes beside it.
  const besideSources = places.filter(place => place?.startsWith('/')).map(place => dirname(place ?? ''))
  return {
    command: [...program, '--config', settings.file],
    workingFolder: settings.baseDir,
    writes: [...new Set([stateDir, ...ownFolders, ...besideSources])],
    user: process.getuid?.() === 0 ? userInfo().username : undefined,
  }
}

function homeOf({ environment }: InstallWish): string {
  return environment['HOME'] ?? homedir()
}
