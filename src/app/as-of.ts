import { AppError } from '../base/errors.ts'
import { formatTimeWithZone } from '../base/times.ts'
import type { Config } from '../config/load.ts'
import type { Finding } from '../model/finding.ts'
import type { Moment } from '../storage/whole-moment.ts'

/** One repository, as it was. */
export interface AsOf {
  readonly repository: string
  readonly time: Date
}

/** The one that was named, else the only one: a moment is one of one bucket. `usage` where that is not clear. */
export function asOfWhich({ repositories }: Config, named: string | undefined, time: Date): AsOf {
  const names = [...repositories.keys()]
  const repository = named ?? (names.length === 1 ? names[0] : undefined)
  if (repository !== undefined) return { repository, time }
  throw new AppError('usage', 'which repository is to be opened as it was?', {
    hint: `Name one with --repo, or with --from where there is such an option: ${names.join(', ')}.`,
  })
}

/** Which moment is looked at. It may be an earlier one than was asked for. */
export function foundAsOf(repository: string, { at, before }: Moment): Finding {
  const subject = `repository ${repository}`
  const opened = `opened as it was on ${formatTimeWithZone(at)}`
  if (before === undefined) return { severity: 'info', code: 'as-of', subject, message: opened }
  const [from, to] = [before.from, before.to].map(formatTimeWithZone)
  return {
    severity: 'warning',
    code: 'as-of-moved',
    subject,
    message: `${opened}, for from then on, until ${to}, data was being deleted`,
    hint: `A moment in the middle may lack data that is needed. Name one before ${from}, or after ${to}.`,
  }
}
