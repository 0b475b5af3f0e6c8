import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError, isAppError } from '../../base/errors.ts'
import type { CommandPlace } from '../../base/user-command.ts'
import type { Assertion } from '../../model/assertion.ts'
import type { Finding } from '../../model/finding.ts'
import { type Incomplete, incompleteFinding } from '../../model/incomplete.ts'
import { isPart } from '../../model/manifest.ts'
import { labelsOf, type ProofLevel } from '../../model/recovery-point.ts'
import type { CheckOutcome, ReportStep } from '../../model/report.ts'
import type { Repository, Snapshot } from '../../repository/index.ts'
import type { OnRestored, Source, SourceContext, VerifyOutcome } from '../../sources/source.ts'
import { runAssertions } from '../assertions/run-assertions.ts'
import { openSnapshotReader, type RepositorySnapshotReader } from '../restore/snapshot-reader.ts'
import { readEverything } from './read-everything.ts'

export interface VerifyOperationRequest extends SourceContext {
  readonly repository: Repository
  readonly snapshot: Snapshot
  readonly source: Source
  /** `checked`: read every byte. `restored`: really restore it, into something that is thrown away. */
  readonly level: ProofLevel
  /** What the user says must hold of restored data. */
  readonly assertions: readonly Assertion[]
  /** For commands among the assertions. */
  /** Where the programs of assertions run. */
  readonly commandPlace: CommandPlace
  readonly onProgress?: ((bytesRead: number) => void) | undefined
}

export interface VerifyResult {
  readonly snapshot: Snapshot
  readonly source: string
  readonly kind: string
  /** What was asked for. */
  readonly level: ProofLevel
  readonly passed: boolean
  /** The repository has lost or changed bytes of it. */
  readonly damaged: boolean
  /** What the snapshot lacked from the start: no proof covers that. */
  readonly incomplete: Incomplete | undefined
  /** What is now proven of the snapshot; undefined when it did not pass. */
  readonly proof: ProofLevel | undefined
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  readonly steps: readonly ReportStep[]
  readonly bytesRead: number
  readonly durationMs: number
}

/** Does a snapshot hold what its manifest says, and does it come back? What fails and what is damaged is data, not an error. */
export async function verify(request: VerifyOperationRequest): Promise<VerifyResult> {
  const startedMs = request.clock.monotonicMs()
  const { snapshot, source, level } = request
  requireKind(source, snapshot)
  const proving = new Proving(request)
  const outcome = await proving.run()
  const damaged = outcome.findings.some(finding => DAMAGE.has(finding.code))
  const { incomplete } = proving
  const lacking = incomplete === undefined ? [] : [incompleteFinding(snapshot.id, incomplete)]
  const passed = !damaged && outcome.checks.every(check => check.passed)
  return {
    snapshot,
    source: source.name,
    kind: source.kind,
    level,
    passed,
    damaged,
    incomplete,
    proof: passed ? level : undefined,
    ...outcome,
    findings: [...lacking, ...outcome.findings],
    steps: proving.stepsOf(outcome, passed),
    durationMs: Math.round(request.clock.monotonicMs() - startedMs),
  }
}

const DAMAGE: ReadonlySet<string> = new Set(['file-damaged', 'snapshot-damaged'])

class Proving {
  readonly #request: VerifyOperationRequest
  readonly #startedMs: number
  #assertions: ReportStep | undefined
  incomplete: Incomplete | undefined

  constructor(request: VerifyOperationRequest) {
    this.#request = request
    this.#startedMs = request.clock.monotonicMs()
  }

  /** An adapter stops at the first damage; people need to know all that is lost, so then everything is read. */
  async run(): Promise<VerifyOutcome> {
    const { repository, snapshot, signal, onProgress } = this.#request
    let reader: RepositorySnapshotReader | undefined
    try {
      reader = await openSnapshotReader({ contents: repository, snapshot, signal })
      this.incomplete = reader.manifest?.incomplete
      return await this.#prove(reader)
    } catch (error) {
      const failed = failedChecks(error)
      if (failed !== undefined) {
        return { checks: failed, findings: [], bytesRead: reader?.manifest?.totals.sizeBytes ?? 0 }
      }
      if (!isAppError(error, 'damaged')) throw error
      const outcome = reader && (await readEverything({ repository, snapshot: reader, signal, onProgress }))
      if (outcome !== undefined && outcome.findings.length > 0) return outcome
      return { checks: [], findings: [snapshotDamaged(snapshot, error)], bytesRead: 0 }
    }
  }

  /** The assertions ran inside of the restore; the rest of the time is the restore's. */
  stepsOf({ bytesRead }: VerifyOutcome, passed: boolean): ReportStep[] {
    const asserted = this.#assertions
    const totalMs = this.#request.clock.monotonicMs() - this.#startedMs - (asserted?.durationMs ?? 0)
    const restored = this.#request.level === 'restored'
    const failed = !passed && asserted?.outcome !== 'failed'
    const step: ReportStep = {
      name: restored ? 'restored it into something thrown away, and compared' : 'read every byte, and compared',
      outcome: failed ? 'failed' : 'done',
      durationMs: Math.round(totalMs),
      bytes: bytesRead,
    }
    return asserted === undefined ? [step] : [step, asserted]
  }

  async #prove(reader: RepositorySnapshotReader): Promise<VerifyOutcome> {
    const { source, repository, signal, level, onProgress } = this.#request
    const restore = level === 'restored'
    if (!restore && source.verify === undefined) {
      return await readEverything({ repository, snapshot: reader, signal, onProgress })
    }
    if (source.verify === undefined) return await this.#restoreAside(reader)
    return await source.verify({ ...this.#context(), snapshot: reader, restore, onRestored: this.#onRestored() })
  }

  async #restoreAside(reader: RepositorySnapshotReader): Promise<VerifyOutcome> {
    const { source, scratchDir } = this.#request
    const dir = await mkdtemp(join(scratchDir, 'verify-'))
    // Rows alone build no database: they come back as the SQL that they are.
    const name = reader.manifest?.type === 'data' ? 'restored.sql' : 'restored'
    try {
      const { checks, findings, totalBytes } = await source.restore({
        ...this.#context(),
        snapshot: reader,
        target: join(dir, name),
        force: false,
        delta: false,
        checks: true,
        include: [],
        onRestored: this.#onRestored(),
      })
      return { checks, findings, bytesRead: totalBytes }
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }

  #context(): SourceContext {
    const { signal, clock, logger, scratchDir } = this.#request
    return { signal, clock, logger, scratchDir }
  }

  /** A part (schema, data) is not what the assertions are about. */
  #onRestored(): OnRestored | undefined {
    const { assertions, clock, signal, commandPlace, snapshot } = this.#request
    if (assertions.length === 0 || isPart(labelsOf(snapshot.tags).type)) return undefined
    return async copy => {
      const startedMs = clock.monotonicMs()
      const outcomes = await runAssertions(assertions, copy, { signal, place: commandPlace })
      const failed = outcomes.filter(outcome => !outcome.passed).length
      this.#assertions = {
        name: `held it to ${outcomes.length} of your assertions`,
        outcome: failed > 0 ? 'failed' : 'done',
        durationMs: Math.round(clock.monotonicMs() - startedMs),
        ...(failed > 0 ? { note: `${failed} did not hold` } : {}),
      }
      return outcomes
    }
  }
}

/** An adapter that refuses to swap in what fails says so by an error; here it is what was asked. */
function failedChecks(error: unknown): readonly CheckOutcome[] | undefined {
  if (!isAppError(error, 'verification-failed')) return undefined
  const { checks } = error.context
  if (Array.isArray(checks)) return checks as readonly CheckOutcome[]
  return [{ name: 'restore', passed: false, expected: 'to go through', found: error.message }]
}

function snapshotDamaged(snapshot: Snapshot, error: AppError): Finding {
  const finding = {
    severity: 'error',
    code: 'snapshot-damaged',
    subject: `snapshot ${snapshot.id.slice(0, 8)}`,
    message: error.message,
    affects: [snapshot.id],
  } as const
  return error.hint === undefined ? finding : { ...finding, hint: error.hint }
}

function requireKind(source: Source, snapshot: Snapshot): void {
  const { kind } = labelsOf(snapshot.tags)
  if (kind === undefined || kind === source.kind) return
  throw new AppError('target-invalid', `snapshot ${snapshot.id.slice(0, 8)} is of kind ${kind}, not ${source.kind}`, {
    hint: 'Name the source that the snapshot is of.',
  })
}
