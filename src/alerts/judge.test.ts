import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AlertRecord } from '../catalog/catalog.ts'
import type { Finding } from '../model/finding.ts'
import { judge, keyOf } from './judge.ts'

const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const DAY = 86_400_000
const finding = (subject = 'app', more: Partial<Finding> = {}): Finding => ({
  severity: 'error',
  code: 'recovery-point-overdue',
  subject,
  message: 'it is old',
  hint: 'lifeboat backup',
  ...more,
})

/** Looks again and again, as the scheduler does, and remembers what was told. */
class Watch {
  now = START
  alerts: readonly AlertRecord[] = []
  readonly told: string[] = []
  isHeard: (finding: Finding) => boolean = () => true

  look(findings: readonly Finding[], unknown: readonly string[] = []): void {
    const { alerts, tell } = judge(
      this.alerts,
      { findings, unknown: new Set(unknown), isHeard: this.isHeard },
      new Date(this.now),
    )
    const seen = new Set(alerts.map(each => each.key))
    // As the catalog does: what is saved takes the place of what was; closed ones are open no more.
    this.alerts = [...this.alerts.filter(each => !seen.has(each.key)), ...alerts].filter(each => !each.closedAt)
    for (const { event, alert } of tell) this.told.push(`${event} ${alert.finding.subject}`)
  }

  /** Every quarter of an hour. */
  lookFor(ms: number, findings: readonly Finding[], unknown: readonly string[] = []): void {
    for (const end = this.now + ms; this.now < end; this.now += 15 * MINUTE) this.look(findings, unknown)
  }
}

test('is told when it opens, and when it is over', () => {
  const watch = new Watch()
  watch.lookFor(3 * 60 * MINUTE, [finding()])
  watch.lookFor(60 * MINUTE, [])
  expect(watch.told).toEqual(['opened app', 'closed app'])
  expect(watch.alerts).toEqual([])
})

test('what nobody hears of is not told, and is news to whoever comes to listen', () => {
  const watch = new Watch()
  watch.isHeard = () => false
  watch.lookFor(5 * DAY, [finding()])
  expect(watch.told).toEqual([])
  expect(watch.alerts).toMatchObject([{ told: 0 }])
  expect(watch.alerts[0]?.toldAt).toBeUndefined()
  watch.isHeard = () => true
  watch.look([finding()])
  expect(watch.told).toEqual(['opened app'])
})

test('is told again after 1, 3 and 7 days, then each week', () => {
  const watch = new Watch()
  const days: number[] = []
  for (let day = 0; day < 30; day++) {
    const before = watch.told.length
    watch.lookFor(DAY, [finding('app', { message: `it is ${day} days old` })])
    if (watch.told.length > before) days.push(day)
  }
  expect(watch.told.slice(0, 2)).toEqual(['opened app', 'reminder app'])
  expect(days).toEqual([0, 1, 3, 7, 14, 21, 28])
})

test('what comes and goes is one alert', () => {
  const watch = new Watch()
  for (let minute = 0; minute < 120; minute += 5) {
    watch.look(minute % 10 === 0 ? [finding()] : [])
    watch.now += 5 * MINUTE
  }
  expect(watch.told).toEqual(['opened app'])
})

test('a warning that becomes an error is told', () => {
  const watch = new Watch()
  watch.look([finding('app', { severity: 'warning' })])
  watch.look([finding()])
  watch.look([finding('app', { severity: 'warning' })])
  expect(watch.told).toEqual(['opened app', 'opened app'])
})

test('nothing is over while nothing is known', () => {
  const watch = new Watch()
  watch.look([finding()])
  watch.lookFor(5 * 60 * MINUTE, [], ['app'])
  expect(watch.told).toEqual(['opened app'])
  expect(watch.alerts).toHaveLength(1)
})

test('a silenced one is told when the silence ends, and not when it was over by then', () => {
  const silenced = (): Watch => {
    const watch = new Watch()
    watch.look([finding()])
    watch.alerts = watch.alerts.map(each => ({ ...each, silencedUntil: new Date(START + 2 * DAY) }))
    watch.told.length = 0
    watch.lookFor(DAY, [finding()])
    return watch
  }
  const lasting = silenced()
  lasting.lookFor(2 * DAY, [finding()])
  expect(lasting.told[0]).toBe('reminder app')
  const over = silenced()
  over.lookFor(DAY / 2, [])
  expect(over.told).toEqual([])
})

test('what is only worth knowing is no alert', () => {
  const watch = new Watch()
  watch.look([finding('app', { severity: 'info' })])
  expect(watch.alerts).toEqual([])
})

test('whatever comes and goes: all that lasts is told, nothing twice, and what was opened is closed once', () => {
  const subjects = ['a', 'b', 'c']
  const looks = fc.array(fc.record({ seen: fc.subarray(subjects), ms: fc.integer({ min: 1, max: 2 * 3_600_000 }) }), {
    minLength: 10,
    maxLength: 80,
  })
  fc.assert(
    fc.property(looks, all => {
      const watch = new Watch()
      for (const { seen, ms } of all) {
        watch.look(seen.map(subject => finding(subject)))
        for (const subject of seen) {
          const open = watch.alerts.find(each => each.key === keyOf(finding(subject)))
          expect(open?.toldAt).toBeDefined()
        }
        watch.now += ms
      }
      for (const subject of subjects) {
        const told = watch.told.filter(each => each.endsWith(subject) && !each.startsWith('reminder'))
        // Opened and closed take turns.
        expect(told.map(each => each.split(' ')[0])).toEqual(told.map((_, at) => (at % 2 === 0 ? 'opened' : 'closed')))
      }
    }),
  )
})
