import { printableText } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { formatDuration } from '../base/durations.ts'
import { formatSize } from '../base/sizes.ts'
import type { ProgressState } from '../model/progress.ts'
import type { Terminal } from './terminal.ts'

export type ProgressStyle = 'bar' | 'lines' | 'none'

const BAR_EVERY_MS = 100
const LINE_EVERY_MS = 5000
const BAR_CELLS = 20
const SHOWN_LEFT_MS = 1000
/** Weight of the newest second in the rate. */
const SMOOTHING = 0.3

/** Shows how far an operation is, on stderr: a bar that is redrawn, or a plain line every few seconds. */
export class Progress {
  readonly #terminal: Terminal
  readonly #clock: Clock
  readonly #style: ProgressStyle
  #shownAtMs = Number.NEGATIVE_INFINITY
  #drawn = false
  #meter: RateMeter | undefined
  #label = ''

  constructor(terminal: Terminal, clock: Clock, style: ProgressStyle) {
    this.#terminal = terminal
    this.#clock = clock
    this.#style = style
  }

  update(state: ProgressState): void {
    if (this.#style === 'none') return
    const nowMs = this.#clock.monotonicMs()
    if (this.#meter === undefined || this.#label !== state.label) {
      this.#label = state.label
      this.#meter = new RateMeter(nowMs, state.done)
      // The first line waits: what is done in a moment needs none.
      if (this.#style === 'lines') this.#shownAtMs = nowMs
    }
    this.#meter.add(nowMs, state.done)
    if (nowMs - this.#shownAtMs < (this.#style === 'bar' ? BAR_EVERY_MS : LINE_EVERY_MS)) return
    this.#shownAtMs = nowMs
    const line = describeProgress(state, this.#meter.perSecond, this.#style === 'bar')
    if (this.#style === 'lines') this.#terminal.stderr.write(`${line}\n`)
    else this.#redraw(line)
  }

  /** Takes the bar away, so that something else can be printed. */
  clear(): void {
    if (!this.#drawn) return
    this.#terminal.control('\r\u001b[K')
    this.#drawn = false
    this.#shownAtMs = Number.NEGATIVE_INFINITY
  }

  #redraw(line: string): void {
    const width = Math.max(20, (this.#terminal.stderr.columns ?? 80) - 1)
    const shown = printableText(line)
    this.#terminal.control(`\r\u001b[K${shown.length > width ? `${shown.slice(0, width - 1)}…` : shown}`)
    this.#drawn = true
  }
}

/** An exponentially smoothed rate. */
class RateMeter {
  perSecond: number | undefined
  #atMs: number
  #done: number

  constructor(nowMs: number, done: number) {
    this.#atMs = nowMs
    this.#done = done
  }

  add(nowMs: number, done: number): void {
    const seconds = (nowMs - this.#atMs) / 1000
    if (seconds < 0.25) return
    const current = Math.max(0, done - this.#done) / seconds
    const weight = 1 - (1 - SMOOTHING) ** seconds
    this.perSecond = this.perSecond === undefined ? current : this.perSecond + weight * (current - this.perSecond)
    this.#atMs = nowMs
    this.#done = done
  }
}

/** `backup app  [====>    ]  42 %  620 MiB of 1.4 GiB  210 MiB/s  4 s left`. */
export function describeProgress(state: ProgressState, perSecond: number | undefined, bar: boolean): string {
  const amount = (value: number): string => (state.unit === 'bytes' ? formatSize(value) : String(Math.round(value)))
  const { done, total } = state
  const parts = [state.label]
  if (total !== undefined && total > 0) {
    const part = Math.min(1, done / total)
    if (bar) parts.push(drawBar(part))
    parts.push(`${Math.floor(part * 100)} %`, `${amount(done)} of ${amount(total)}`)
  } else parts.push(amount(done))
  parts.push(...(state.details ?? []))
  if (perSecond !== undefined && perSecond > 0) {
    parts.push(`${amount(perSecond)}/s`)
    const leftMs = total === undefined ? 0 : ((total - done) / perSecond) * 1000
    // Less than that is said by the next line; if it is not, nobody wants to read it for minutes.
    if (leftMs >= SHOWN_LEFT_MS) parts.push(`${formatDuration(leftMs)} left`)
  }
  return parts.join('  ')
}

function drawBar(part: number): string {
  const filled = Math.floor(part * BAR_CELLS)
  const head = filled < BAR_CELLS ? '>' : ''
  return `[${`${'='.repeat(filled)}${head}`.padEnd(BAR_CELLS)}]`
}
