import { AppError } from '../base/errors.ts'
import type { Finding } from '../model/finding.ts'
import type { Id } from '../model/node.ts'
import type { ProofLevel, ProofRecord } from '../model/recovery-point.ts'
import type {
  AlertRecord,
  Attempt,
  AttemptQuery,
  Catalog,
  JobRecord,
  Lease,
  NewRun,
  NoticeRecord,
  RunEnd,
  RunQuery,
  RunRecord,
  SlotQuery,
  SlotRecord,
} from './catalog.ts'

/**
 * A catalog that stops no operation: a backup that is stored has not failed because its record could not be written.
 * What goes wrong is told once, as a finding; reads then give nothing.
 */
export class UnfailingCatalog implements Catalog {
  readonly #open: () => Promise<Catalog>
  readonly #onFinding: (finding: Finding) => void
  #opened: Promise<Catalog | undefined> | undefined
  #told = false

  get isUsable(): boolean {
    return !this.#told
  }

  /** `open` is called when the catalog is used for the first time. */
  constructor(open: () => Promise<Catalog>, onFinding: (finding: Finding) => void) {
    this.#open = open
    this.#onFinding = onFinding
  }

  async beginRun(run: NewRun): Promise<void> {
    await this.#try(catalog => catalog.beginRun(run), undefined)
  }

  async saveAttempt(runId: string, attempt: Attempt): Promise<void> {
    await this.#try(catalog => catalog.saveAttempt(runId, attempt), undefined)
  }

  async endRun(runId: string, end: RunEnd): Promise<void> {
    await this.#try(catalog => catalog.endRun(runId, end), undefined)
  }

  async listRuns(query: RunQuery): Promise<RunRecord[]> {
    return this.#try<RunRecord[]>(catalog => catalog.listRuns(query), [])
  }

  async listAttempts(query: AttemptQuery): Promise<Attempt[]> {
    return this.#try<Attempt[]>(catalog => catalog.listAttempts(query), [])
  }

  /** Nobody is kept from acting by a catalog that can't be used. */
  async acquireLease(lease: Lease, now: Date): Promise<Lease | undefined> {
    return this.#try<Lease | undefined>(catalog => catalog.acquireLease(lease, now), lease)
  }

  async releaseLease(name: string, holder: string): Promise<void> {
    await this.#try(catalog => catalog.releaseLease(name, holder), undefined)
  }

  async saveJob(job: JobRecord): Promise<void> {
    await this.#try(catalog => catalog.saveJob(job), undefined)
  }

  async listJobs(): Promise<JobRecord[]> {
    return this.#try<JobRecord[]>(catalog => catalog.listJobs(), [])
  }

  /** Nothing that is due is left undone because it can't be recorded. */
  async claimSlot(slot: SlotRecord): Promise<boolean> {
    return this.#try(catalog => catalog.claimSlot(slot), true)
  }

  async updateSlot(slot: SlotRecord): Promise<void> {
    await this.#try(catalog => catalog.updateSlot(slot), undefined)
  }

  async listSlots(query: SlotQuery): Promise<SlotRecord[]> {
    return this.#try<SlotRecord[]>(catalog => catalog.listSlots(query), [])
  }

  async saveAlert(alert: AlertRecord): Promise<void> {
    await this.#try(catalog => catalog.saveAlert(alert), undefined)
  }

  async listAlerts(query: { readonly closed: number }): Promise<AlertRecord[]> {
    return this.#try<AlertRecord[]>(catalog => catalog.listAlerts(query), [])
  }

  async saveNotice(notice: NoticeRecord): Promise<void> {
    await this.#try(catalog => catalog.saveNotice(notice), undefined)
  }

  async listPendingNotices(): Promise<NoticeRecord[]> {
    return this.#try<NoticeRecord[]>(catalog => catalog.listPendingNotices(), [])
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
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#tell(error)
      return undefined
    })
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
