import { formatDuration } from '../../base/durations.ts'
import { ownVersion } from '../../base/package.ts'
import { formatTimeWithZone } from '../../base/times.ts'
import type { Finding } from '../../model/finding.ts'
import type { CheckOutcome, Report, ReportOutcome, ReportTable } from '../../model/report.ts'
import { type Html, html, joined } from './html.ts'
import { STYLE } from './html-style.ts'
import { timeline } from './html-timeline.ts'
import { capitalized, counted, OUTCOME_WORDS, verdictOf } from './wording.ts'

/**
 * A report as one HTML file that needs nothing else: no script, no request. The policy in its head holds a browser to
 * that even if a value got past the escaping. Most urgent first: verdict, what is wrong, what to type.
 */
export function reportToHtml(report: Report): string {
  const title = capitalized(report.title)
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}: ${OUTCOME_WORDS[report.outcome]}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${header(report, title)}
${problems(report)}
${next(report)}
${facts(report)}
${report.steps.length === 0 ? '' : section('Steps', timeline(report.steps))}
${joined(report.tables.map(table => section(capitalized(table.title), figures(table))))}
${checks(report.checks)}
${notes(report.findings.filter(finding => finding.severity === 'info'))}
<footer>Written by lifeboat ${ownVersion()} for run <code>${report.run}</code>.</footer>
</main>
</body>
</html>
`.toString()
}

function section(title: string, content: Html): Html {
  return html`<section><h2>${title}</h2>${content}</section>`
}

// ---- verdict

const TONES: Readonly<Record<ReportOutcome, 'good' | 'care' | 'bad' | 'plan'>> = {
  planned: 'plan',
  done: 'good',
  incomplete: 'care',
  failed: 'bad',
  'rolled-back': 'bad',
}

const ICONS = {
  good: html`<path d="M7 12.5l3.5 3.5L17.5 8.5"/>`,
  care: html`<path d="M12 6.5v7M12 17.2v.3"/>`,
  bad: html`<path d="M8 8l8 8M16 8l-8 8"/>`,
  plan: html`<path d="M8 9h8M8 12h8M8 15h5"/>`,
} as const

const icon = (tone: keyof typeof ICONS): Html =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="11"/>${ICONS[tone]}</svg>`

function header(report: Report, title: string): Html {
  const tone = TONES[report.outcome]
  return html`<header class="${tone}">
${icon(tone)}
<div>
<p class="badge">${OUTCOME_WORDS[report.outcome]}</p>
<h1>${title}</h1>
<p class="verdict">${verdictOf(report)}.</p>
<p class="when">${formatTimeWithZone(report.startedAt)} · took ${formatDuration(report.durationMs)}</p>
</div>
</header>`
}

// ---- what is wrong, what to do

function problems(report: Report): Html | '' {
  const failed = report.checks.filter(check => !check.passed)
  // A failed check is why its step failed, and says more.
  const steps = failed.length > 0 ? [] : report.steps.filter(step => step.outcome === 'failed')
  const found = report.findings.filter(finding => finding.severity !== 'info')
  if (failed.length + steps.length + found.length === 0) return ''
  const items = [
    ...steps.map(
      ({ name, note }) =>
        html`<li class="bad">${icon('bad')}<div><b>A step failed: ${name}</b>${note === undefined ? '' : html`<p>${note}</p>`}</div></li>`,
    ),
    ...failed.map(
      ({ name, expected, found: what }) =>
        html`<li class="bad">${icon('bad')}<div><b>${name}</b><p>expected <code>${expected}</code>, found <code>${what}</code></p></div></li>`,
    ),
    ...found.toSorted((a, b) => rank(a) - rank(b)).map(noted),
  ]
  const wrong = failed.length + steps.length > 0 || found.some(finding => finding.severity === 'error')
  return section(wrong ? 'What is wrong' : 'What to look at', html`<ul class="notes">${joined(items)}</ul>`)
}

const rank = ({ severity }: Finding): number => (severity === 'error' ? 0 : 1)

function noted({ severity, subject, message, hint }: Finding): Html {
  const tone = severity === 'error' ? 'bad' : severity === 'warning' ? 'care' : 'plan'
  const about = message.startsWith(subject) ? '' : html`<b>${subject}</b>: `
  const advice = hint === undefined ? '' : html`<p class="hint">${hint}</p>`
  return html`<li class="${tone}">${icon(tone)}<div><p>${about}${message}</p>${advice}</div></li>`
}

function notes(findings: readonly Finding[]): Html | '' {
  if (findings.length === 0) return ''
  return section('Worth knowing', html`<ul class="notes">${joined(findings.map(noted))}</ul>`)
}

function next(report: Report): Html | '' {
  if (report.next.length === 0) return ''
  const items = report.next.map(
    ({ command, explains }) => html`<li><code class="command">${command}</code><p>${capitalized(explains)}</p></li>`,
  )
  return section('What to type next', html`<ul class="next">${joined(items)}</ul>`)
}

// ---- the rest

function facts(report: Report): Html | '' {
  if (report.facts.length === 0) return ''
  const pairs = report.facts.map(({ name, value }) => html`<div><dt>${capitalized(name)}</dt><dd>${value}</dd></div>`)
  return section('Details', html`<dl>${joined(pairs)}</dl>`)
}

function figures(table: ReportTable): Html {
  const cell = (tag: 'td' | 'th', text: string, at: number): Html => {
    const align = table.columns[at]?.align === 'right' ? 'right' : 'left'
    return tag === 'th' ? html`<th scope="col" class="${align}">${text}</th>` : html`<td class="${align}">${text}</td>`
  }
  const titles = table.columns.map(({ name }, at) => cell('th', name, at))
  const rows = table.rows.map(
    row => html`<tr>${joined(table.columns.map((_, at) => cell('td', row[at] ?? '', at)))}</tr>`,
  )
  return html`<div class="wide"><table><thead><tr>${joined(titles)}</tr></thead><tbody>${joined(rows)}</tbody></table></div>`
}

function checks(outcomes: readonly CheckOutcome[]): Html | '' {
  if (outcomes.length === 0) return ''
  const failed = outcomes.filter(check => !check.passed).length
  const summary =
    failed === 0
      ? html`<p class="summary good">${icon('good')} ${counted(outcomes.length, 'check')} passed.</p>`
      : html`<p class="summary bad">${icon('bad')} ${failed} of ${counted(outcomes.length, 'check')} failed.</p>`
  const rows = outcomes.toSorted((a, b) => Number(a.passed) - Number(b.passed)).map(checkRow)
  return section(
    'Checks',
    html`${summary}<div class="wide"><table class="checks"><thead><tr><th scope="col">Check</th><th scope="col">Expected</th><th scope="col">Found</th></tr></thead><tbody>${joined(rows)}</tbody></table></div>`,
  )
}

function checkRow({ name, passed, expected, found }: CheckOutcome): Html {
  const tone = passed ? 'good' : 'bad'
  const word = passed ? 'passed' : 'failed'
  const short = (text: string): string => (passed ? shortHash(text) : text)
  return html`<tr class="${tone}"><th scope="row">${icon(tone)}<span class="unseen">${word}: </span>${name}</th><td>${short(expected)}</td><td>${short(found)}</td></tr>`
}

/** Of a hash that is as expected, the first digits say enough; they would make the column wide. */
const shortHash = (text: string): string => (/^[0-9a-f]{64}$/.test(text) ? `${text.slice(0, 12)}…` : text)
