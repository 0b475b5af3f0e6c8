import { AppError, isAppError, throwIfAborted } from '../../../src/base/errors.ts'
import type { Finding } from '../../../src/model/finding.ts'
import type {
  Capture,
  CaptureRequest,
  RestoreOutcome,
  RestoreRequest,
  Source,
  SourceTraits,
} from '../../../src/sources/source.ts'
import { Shelf } from './shelf.ts'
import { ShelfCapture } from './shelf-capture.ts'
import { restoreShelf, shelfTargets } from './shelf-restore.ts'

export class ShelfSource implements Source {
  readonly kind = 'shelf'
  readonly name: string
  readonly traits: SourceTraits = {
    consistency: 'transactional',
    types: ['full'],
    wayBack: 'snapshot',
    targetSchemes: [],
    parts: [],
    changes: ['create', 'in-place'],
    masks: false,
    queries: 'none',
  }
  readonly targets = shelfTargets
  readonly #path: string

  constructor(name: string, path: string) {
    this.name = name
    this.#path = path
  }

  async probe(): Promise<Finding[]> {
    try {
      await this.#read()
      return []
    } catch (error) {
      if (!isAppError(error)) throw error
      return [{ severity: 'error', code: error.code, subject: `source ${this.name}`, message: error.message }]
    }
  }

  async capture({ type, signal }: CaptureRequest): Promise<Capture> {
    throwIfAborted(signal)
    if (!this.traits.types.includes(type)) throw new AppError('unsupported', `a shelf has no backups of type ${type}`)
    return new ShelfCapture(await this.#read())
  }

  async restore(request: RestoreRequest): Promise<RestoreOutcome> {
    return await restoreShelf(request)
  }

  async close(): Promise<void> {}

  async #read(): Promise<Map<string, string>> {
    const found = await new Shelf(this.#path).read()
    if (found !== undefined) return found
    throw new AppError('source-unreachable', `there is no shelf at ${this.#path}`, { hint: 'Correct its path.' })
  }
}
