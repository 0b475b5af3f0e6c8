import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { ReportStep } from '../../model/report.ts'

type Figures = Pick<ReportStep, 'rows' | 'bytes' | 'note'>

/** What a run did so far, for its report. */
export class StepLog {
  readonly #clock: Clock
  readonly #onStep: (name: string) => void
  readonly steps: ReportStep[] = []

  /** `onStep` is told when one begins. */
  constructor(clock: Clock, onStep: (name: string) => void = () => {}) {
    this.#clock = clock
    this.#onStep = onStep
  }

  /** Does one step. A failure is noted and thrown as it is. */
  async step<T>(name: string, work: () => Promise<T>, figures: (result: T) => Figures = () => ({})): Promise<T> {
    this.#onStep(name)
    const startedMs = this.#clock.monotonicMs()
    const durationMs = (): number => Math.round(this.#clock.monotonicMs() - startedMs)
    try {
      const result = await work()
      this.steps.push({ name, outcome: 'done', durationMs: durationMs(), ...figures(result) })
      return result
    } catch (error) {
      this.steps.push({ name, outcome: 'failed', durationMs: durationMs(), note: messageOf(error) })
      throw error
    }
  }

  skip(name: string, note: string): void {
    this.steps.push({ name, outcome: 'skipped', durationMs: 0, note })
  }
}
