import { resolve } from 'node:path'
import { AppError, isAppError, throwIfAborted } from '../../base/errors.ts'
import { parseSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType } from '../../model/manifest.ts'
import type {
  Capture,
  CaptureRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceFactory,
  SourceTraits,
} from '../source.ts'
import { loadAccounts } from './accounts.ts'
import { canReadAttributes } from './attributes.ts'
import { FilesCapture } from './capture.ts'
import { OwnPaths, openRoot } from './capture-root.ts'
import { ExcludePatterns } from './exclusion.ts'
import type { FilesOptions } from './options.ts'
import { toRaw } from './raw-path.ts'
import { folderTargets } from './restore/folder-targets.ts'
import { restoreFolder } from './restore/restore.ts'
import { CACHEDIR_TAG, type WalkRules } from './walk.ts'

export const createFilesSource: SourceFactory<FilesOptions> = (name, options, place) =>
  new FilesSource(name, options, resolve(place.baseDir, options.path))

const TYPES: readonly BackupType[] = ['full', 'incremental', 'differential']

class FilesSource implements Source {
  readonly name: string
  readonly kind = 'files'
  readonly traits: SourceTraits = {
    consistency: 'per-file',
    types: TYPES,
    wayBack: 'kept',
    targetSchemes: [],
    parts: ['paths'],
    changes: ['create', 'swap', 'in-place', 'delete'],
    rewrites: 'always',
    masks: false,
    queries: 'none',
  }
  readonly targets = folderTargets
  readonly #options: FilesOptions
  readonly #path: string

  constructor(name: string, options: FilesOptions, path: string) {
    this.name = name
    this.#options = options
    this.#path = path
  }

  async probe(): Promise<Finding[]> {
    try {
      await openRoot(this.#path)
    } catch (error) {
      if (!isAppError(error)) throw error
      return [problem(`source ${this.name}`, error)]
    }
    if ((await this.#attributes()) !== 'tool-missing') return []
    return [
      {
        severity: 'info',
        code: 'attributes-not-captured',
        subject: `source ${this.name}`,
        message: 'extended attributes and ACLs are not captured, since getfattr is not installed',
        hint: 'Install the package "attr", or set "extendedAttributes: false" for this source.',
      },
    ]
  }

  async capture(request: CaptureRequest): Promise<Capture> {
    requireType(this.name, request.type)
    throwIfAborted(request.signal)
    const root = await openRoot(this.#path)
    const own = await OwnPaths.of(request.excludePaths)
    if (root.singleFile === undefined && own.has(root.stat)) {
      throw new AppError(
        'source-invalid',
        `source ${this.name} is a repository or state folder itself: ${this.#path}`,
        {
          hint: 'Set "path" of the source to the folder to protect.',
        },
      )
    }
    return new FilesCapture(
      { root, rules: this.#rules(own), accounts: await loadAccounts(), attributes: await this.#attributes() },
      request,
    )
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreFolder(request)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #rules(own: OwnPaths): WalkRules {
    const { exclude, excludeCaches, excludeIfPresent, excludeLargerThan, oneFileSystem } = this.#options
    return {
      patterns: new ExcludePatterns(exclude),
      markers: [...(excludeCaches ? [CACHEDIR_TAG] : []), ...excludeIfPresent.map(name => ({ name: toRaw(name) }))],
      largerThanBytes: excludeLargerThan === undefined ? undefined : parseSize(excludeLargerThan),
      oneFileSystem,
      own,
    }
  }

  async #attributes(): Promise<'read' | 'tool-missing' | 'off'> {
    if (!this.#options.extendedAttributes) return 'off'
    return (await canReadAttributes()) ? 'read' : 'tool-missing'
  }
}

function problem(subject: string, error: AppError): Finding {
  return {
    severity: 'error',
    code: error.code,
    subject,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }
}

function requireType(name: string, type: BackupType): void {
  if (TYPES.includes(type)) return
  throw new AppError('unsupported', `source ${name} is a folder and has no backups of type ${type}`, {
    hint: `Use one of: ${TYPES.join(', ')}.`,
  })
}
