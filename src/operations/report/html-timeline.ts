import { formatDuration } from '../../base/durations.ts'
import type { ReportStep } from '../../model/report.ts'
import { type Html, html, joined } from './html.ts'
import { amountOf, capitalized } from './wording.ts'

/** Units of the drawing from left to right; the browser stretches it to the page. */
const WIDTH = 1000
/** A step that took nearly nothing is still to be seen. */
const LEAST_WIDTH = 4

/** Steps one below the other, each with a bar where it stood in the whole: what took the time is seen at once. */
export function timeline(steps: readonly ReportStep[]): Html {
  const totalMs = Math.max(
    1,
    steps.reduce((sum, step) => sum + step.durationMs, 0),
  )
  let beforeMs = 0
  const rows = steps.map(step => {
    const row = stepRow(step, beforeMs / totalMs, step.durationMs / totalMs)
    beforeMs += step.durationMs
    return row
  })
  return html`<ol class="steps">${joined(rows)}</ol>`
}

function stepRow(step: ReportStep, from: number, part: number): Html {
  const width = Math.max(LEAST_WIDTH, Math.round(part * WIDTH))
  const x = Math.min(Math.round(from * WIDTH), WIDTH - width)
  const skipped = step.outcome === 'skipped'
  const bar = skipped ? '' : html`<rect class="bar" x="${x}" y="0" width="${width}" height="10"/>`
  const amount = amountOf(step)
  const detail = [amount, step.note ?? ''].filter(text => text !== '').join(' · ')
  return html`<li class="${step.outcome}">
<span class="name">${capitalized(step.name)}${step.outcome === 'done' ? '' : html` <em>${step.outcome}</em>`}</span>
<svg viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" aria-hidden="true"><rect class="track" x="0" y="0" width="${WIDTH}" height="10"/>${bar}</svg>
<span class="time">${skipped ? '–' : formatDuration(step.durationMs)}</span>
${detail === '' ? '' : html`<span class="detail">${detail}</span>`}
</li>`
}
