import { parseDuration } from '../base/durations.ts'
import { AppError } from '../base/errors.ts'
import { parseTime } from '../base/times.ts'
import type { Call } from './command.ts'

/** Options that say when. A duration alone counts from now, into the direction that the option can only mean. */

export function pastOption({ values, clock }: Call, name: string): Date | undefined {
  const text = values.text(name)
  if (text === undefined) return undefined
  return timeOf(text, clock.now(), -1) ?? refuse(name, text, 'like 7d, "3h ago" or "2026-09-04 02:00"')
}

export function futureOption({ values, clock }: Call, name: string): Date | undefined {
  const text = values.text(name)
  if (text === undefined) return undefined
  return timeOf(text, clock.now(), 1) ?? refuse(name, text, 'like 90d or "2027-01-31"')
}

function timeOf(text: string, now: Date, direction: 1 | -1): Date | undefined {
  const durationMs = parseDuration(text)
  return durationMs === undefined ? parseTime(text, now) : new Date(now.getTime() + direction * durationMs)
}

function refuse(name: string, text: string, example: string): never {
  throw new AppError('usage', `--${name} cannot be "${text}"`, { hint: `Give a time ${example}.` })
}
