import { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { ProofLevel, ProofRecord } from '../model/recovery-point.ts'
import type { Catalog, Run, RunQuery } from './catalog.ts'

/**
 * A catalog that stops no operation: a backup that is stored has not failed because its record could not be written.
 * What goes wrong is told once, as a finding; reads then give nothing.
 */
export class UnfailingCatalog implements Catalog {
  readonly #opened: Promise<Catalog | undefined>
  readonly #onFinding: (finding: Finding) => void
  #told = false

  constructor(open: () => Promise<Catalog>, onFinding: (finding: Finding) => void) {
    this.#onFinding = onFinding
    this.#opened = open().catch((error: unknown) => {
      this.#tell(error)
      return undefined
    })
  }

  async saveRun(run: Run): Promise<void> {
    await this.#try(catalog => catalog.saveRun(run), undefined)
  }

  async listRuns(query: RunQuery): Promise<Run[]> {
    return this.#try<Run[]>(catalog => catalog.listRuns(query), [])
  }

  async saveProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void> {
    await this.#try(catalog => catalog.saveProofs(repositoryId, snapshotIds, level, at), undefined)
  }

  async saveFailedProofs(repositoryId: Id, snapshotIds: readonly Id[], level: ProofLevel, at: Date): Promise<void> {
    await this.#try(catalog => catalog.saveFailedProofs(repositoryId, snapshotIds, level, at), undefined)
  }

  async listProofs(repositoryId: Id): Promise<ReadonlyMap<Id, ProofRecord>> {
    return this.#try<ReadonlyMap<Id, ProofRecord>>(catalog => catalog.listProofs(repositoryId), new Map())
  }

  async close(): Promise<void> {
    await (await this.#opened)?.close()
  }

  async #try<T>(work: (catalog: Catalog) => Promise<T>, otherwise: T): Promise<T> {
    const catalog = await this.#opened
    if (catalog === undefined) return otherwise
    try {
      return await work(catalog)
    } catch (error) {
      this.#tell(error)
      return otherwise
    }
  }

  #tell(error: unknown): void {
    if (!(error instanceof AppError)) throw error
    if (this.#told) return
    this.#told = true
    this.#onFinding({
      severity: 'warning',
      code: 'catalog-unusable',
      subject: 'the catalog',
      message: error.message,
      hint: `Runs and proofs are not recorded until it works again. ${error.hint ?? ''}`.trim(),
    })
  }
}
