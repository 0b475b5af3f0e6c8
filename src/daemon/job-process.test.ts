import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { SteppedClock } from '../../test/helpers/engine.ts'
import { lifeOf } from '../base/process-life.ts'
import { type JobEvent, JobProcess } from './job-process.ts'

const started: JobProcess[] = []
afterEach(async () => {
  for (const job of started.splice(0)) {
    job.stop()
    await job.ended
  }
})

/** A program of Node that stands in for a run of ours. */
function start(program: string, clock = new SteppedClock()) {
  const lines: string[] = []
  const events: JobEvent[] = []
  const heard = Promise.withResolvers<void>()
  const job = new JobProcess({
    program: process.execPath,
    args: ['-e', `const say = text => require('fs').writeSync(3, text + '\\n'); ${program}`],
    cwd: '/',
    env: process.env,
    clock,
    onEvent: event => {
      events.push(event)
      heard.resolve()
    },
    onLine: line => {
      lines.push(line)
      heard.resolve()
    },
  })
  started.push(job)
  return { job, lines, events, clock, heard: heard.promise }
}

const MINUTE = 60_000
const STAND = 'setInterval(() => {}, 1000)'

test('hears what a run says: its id, its events, its lines', async () => {
  const { job, lines, events } = start(`
    say('{"kind":"begun","run":"r1","operation":"backup"}'); say('not JSON'); say('7')
    say('{"kind":"begun","run":"r2","operation":"verify"}'); console.error('a line')`)
  expect(await job.ended).toEqual({ done: true, run: 'r1' })
  expect(events.map(each => each.run)).toEqual(['r1', 'r2'])
  expect(lines).toEqual(['a line'])
})

test.each([
  [0, true],
  [3, true],
  [1, false],
  [130, false],
])('exit code %i: done is %s', async (code, done) => {
  expect((await start(`process.exit(${code})`).job.ended).done).toBe(done)
})

test('a program that is not there has failed', async () => {
  const job = new JobProcess({
    program: '/nowhere/lifeboat',
    args: [],
    cwd: '/',
    env: {},
    clock: new SteppedClock(),
    onEvent: () => {},
    onLine: () => {},
  })
  expect(await job.ended).toEqual({ done: false })
})

test('a run that stands still is told of by its time, and ended after half an hour', async () => {
  const { job, lines, clock, heard } = start(`say('{"kind":"progress","progress":{"done":1}}'); ${STAND}`)
  await heard
  clock.advance(29 * MINUTE)
  expect(job.watch()).toBe(29 * MINUTE)
  clock.advance(2 * MINUTE)
  job.watch()
  expect(await job.ended).toEqual({ done: false })
  expect(lines).toEqual(['no byte and no step for 31 minutes: it is ended'])
})

test('the same figures again are no progress, others are', async () => {
  const progress = (done: number): string => `say('{"kind":"progress","progress":{"done":${done}}}')`
  const { job, clock, events } = start(
    `${progress(1)}; process.on('SIGUSR2', () => ${progress(1)}); process.on('SIGUSR1', () => ${progress(2)}); ${STAND}`,
  )
  const until = (count: number) => expect.poll(() => events.length).toBe(count)
  await until(1)
  clock.advance(MINUTE)
  process.kill(job.owner?.pid ?? 0, 'SIGUSR2')
  await until(2)
  expect(job.standingMs).toBe(MINUTE)
  process.kill(job.owner?.pid ?? 0, 'SIGUSR1')
  await until(3)
  expect(job.standingMs).toBe(0)
})

test('one that does not end when asked is killed, with all that it started', async () => {
  const { job, lines } = start(`
    process.on('SIGTERM', () => {})
    const child = require('child_process').spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); ${STAND}'])
    console.error(String(child.pid)); ${STAND}`)
  await expect.poll(() => lines.length).toBe(1)
  const grandchild = Number(lines[0])
  job.stop()
  expect(await job.ended).toEqual({ done: false })
  await expect.poll(() => isRunning(grandchild)).toBe(false)
  expect(job.owner && lifeOf(job.owner)).toBe('gone')
}, 15_000)

/** One that has ended and that nobody asked about yet is still in the table. */
function isRunning(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch {
    return false
  }
}
