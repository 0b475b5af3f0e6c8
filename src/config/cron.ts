interface Field {
  readonly name: string
  readonly from: number
  readonly to: number
  /** Words for numbers, the first one for `from`. */
  readonly words?: readonly string[]
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** @see https://man7.org/linux/man-pages/man5/crontab.5.html */
const FIELDS: readonly Field[] = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, words: MONTHS },
  { name: 'day of the week', from: 0, to: 7, words: DAYS },
]

const FORM = 'a cron expression of five fields, like "0 2 * * *", or @hourly, @daily, @weekly, @monthly'
const LONGEST_MONTH = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** What a cron expression should be instead; undefined for a good one. */
export function findCronProblem(expression: string): string | undefined {
  if (/^@(hourly|daily|weekly|monthly)$/.test(expression)) return undefined
  const texts = expression.trim().split(/\s+/)
  if (texts.length !== FIELDS.length) return FORM
  const values = FIELDS.map((field, at) => valuesOf(texts[at] ?? '', field))
  const wrong = values.indexOf(undefined)
  const field = FIELDS[wrong]
  if (field !== undefined) {
    const words = field.words === undefined ? '' : `, or ${field.words[0]} to ${field.words.at(-1)}`
    return `in the field of the ${field.name} ${field.from} to ${field.to}${words}, as 5, 1-5, */10 or 1,3`
  }
  const [, , days = [], months = []] = values
  // A day of the week comes each month: with one, cron takes either.
  const isRestricted = !(texts[4] ?? '').startsWith('*')
  const comes = months.some(month => days.some(day => day <= (LONGEST_MONTH[month - 1] ?? 0)))
  return comes || isRestricted ? undefined : 'a day that comes: no month of these has that many'
}

/** Undefined for what is no field. */
function valuesOf(text: string, field: Field): number[] | undefined {
  const values: number[] = []
  for (const part of text.toLowerCase().split(',')) {
    const [, range = '', from, to, step] = /^((?:\*|(\w+)(?:-(\w+))?))(?:\/(\d+))?$/.exec(part) ?? []
    const first = range === '*' ? field.from : numberOf(from ?? '', field)
    const last =
      range === '*' ? field.to : to === undefined ? (step === undefined ? first : field.to) : numberOf(to, field)
    const by = Number(step ?? 1)
    if (first === undefined || last === undefined || first > last || by < 1 || by > field.to) return undefined
    for (let value = first; value <= last; value += by) values.push(value)
  }
  return values
}

function numberOf(text: string, { from, to, words = [] }: Field): number | undefined {
  const word = words.indexOf(text)
  const value = word >= 0 ? from + word : /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  return value >= from && value <= to ? value : undefined
}
