import { expect, test } from 'vitest'
import type { Clock } from '../base/clock.ts'
import { describeProgress, Progress } from './progress.ts'
import { type OutputStream, Terminal } from './terminal.ts'

const MIB = 1024 * 1024

function setUp(style: 'bar' | 'lines') {
  const written: string[] = []
  let nowMs = 0
  const stream: OutputStream = { columns: 60, write: text => written.push(String(text)) > 0 }
  const clock: Clock = { now: () => new Date(nowMs), monotonicMs: () => nowMs, sleep: async () => {} }
  const terminal = new Terminal({ stdin: process.stdin, stdout: stream, stderr: stream }, 'never', {})
  const progress = new Progress(terminal, clock, style)
  const at = (ms: number, done: number): void => {
    nowMs = ms
    progress.update({ label: 'backup app', done: done * MIB, total: 100 * MIB, unit: 'bytes' })
  }
  return { written, progress, at }
}

test('says how far it is, how fast, and how long it will take', () => {
  const state = {
    label: 'backup app',
    done: 42 * MIB,
    total: 100 * MIB,
    unit: 'bytes' as const,
    details: ['1.0 MiB new'],
  }
  expect(describeProgress(state, 10 * MIB, true)).toBe(
    'backup app  [========>           ]  42 %  42.0 MiB of 100 MiB  1.0 MiB new  10.0 MiB/s  5.8 s left',
  )
  expect(describeProgress({ label: 'check', done: 3, total: undefined, unit: 'items' }, undefined, true)).toBe(
    'check  3',
  )
})

test('names no time that is left where it would be none', () => {
  const state = { label: 'restore docs', done: 99 * MIB, total: 100 * MIB, unit: 'bytes' as const }
  expect(describeProgress(state, 500 * MIB, false)).toBe('restore docs  99 %  99.0 MiB of 100 MiB  500 MiB/s')
})

test('redraws a bar ten times a second, never wider than the terminal, and takes it away', () => {
  const { written, progress, at } = setUp('bar')
  at(0, 0)
  at(50, 5)
  at(120, 10)
  expect(written).toHaveLength(2)
  for (const text of written) expect(text.replace('\r\u001b[K', '').length).toBeLessThanOrEqual(59)
  progress.clear()
  progress.clear()
  expect(written.at(-1)).toBe('\r\u001b[K')
  expect(written).toHaveLength(3)
})

test('prints plain lines every few seconds, none for what is done in a moment', () => {
  const { written, at } = setUp('lines')
  for (let ms = 0; ms <= 11_000; ms += 500) at(ms, ms / 500)
  expect(written).toHaveLength(2)
  expect(written[0]).toBe('backup app  10 %  10.0 MiB of 100 MiB  2.0 MiB/s  45 s left\n')
})
