import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { ReportStep } from '../../model/report.ts'

type Figures = Pick<ReportStep, 'rows' | 'bytes' | 'note'>

/** What a run did so far, for its report: in the order it was begun. What is done within a step is a step of its own. */
export class StepLog {
  readonly #clock: Clock
  readonly #onStep: (name: string) => void
  readonly steps: ReportStep[] = []
  /** Time that inner steps took, of the steps that are under way: the outermost first. */
  readonly #inner: number[] = []

  /** `onStep` is told when one begins. */
  constructor(clock: Clock, onStep: (name: string) => void = () => {}) {
    this.#clock = clock
    this.#onStep = onStep
  }

  /** Does one step. A failure is noted and thrown as it is. */
  async step<T>(name: string, work: () => Promise<T>, figures: (result: T) => Figures = () => ({})): Promise<T> {
    this.#onStep(name)
    const startedMs = this.#clock.monotonicMs()
    const at = this.steps.push({ name, outcome: 'done', durationMs: 0 }) - 1
    this.#inner.push(0)
    const end = (outcome: ReportStep['outcome'], more: Figures): void => {
      const tookMs = this.#clock.monotonicMs() - startedMs
      const ownMs = tookMs - (this.#inner.pop() ?? 0)
      const outer = this.#inner.length - 1
      if (outer >= 0) this.#inner[outer] = (this.#inner[outer] ?? 0) + tookMs
      this.steps[at] = { name, outcome, durationMs: Math.round(ownMs), ...more }
    }
    try {
      const result = await work()
      end('done', figures(result))
      return result
    } catch (error) {
      end('failed', { note: messageOf(error) })
      throw error
    }
  }

  skip(name: string, note: string): void {
    this.steps.push({ name, outcome: 'skipped', durationMs: 0, note })
  }
}
