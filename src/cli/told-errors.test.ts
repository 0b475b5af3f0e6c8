import { expect, test } from 'vitest'
import type { Finding } from '../model/finding.ts'
import { ToldErrors } from './told-errors.ts'

const finding = (severity: Finding['severity']): Finding => ({ severity, code: 'damaged', subject: 'a', message: 'b' })

test.each([
  ['told on the way', true, []],
  ['in the findings of the output', false, [finding('warning'), finding('error')]],
])('an error that is %s is exit code 3', (_, isTold, findings) => {
  const told = new ToldErrors('backup')
  if (isTold) expect(told.note(finding('error'))).toEqual(finding('error'))
  expect(told.exitCodeOf({ findings })).toBe(3)
})

test('warnings and information are no failure', () => {
  const told = new ToldErrors('backup')
  for (const severity of ['warning', 'info'] as const) expect(told.note(finding(severity))).toEqual(finding(severity))
  expect(told.exitCodeOf({ findings: [finding('warning'), finding('info')] })).toBe(0)
})

test('what the command itself says comes first', () => {
  expect(new ToldErrors('check').exitCodeOf({ exitCode: 1, findings: [finding('error')] })).toBe(1)
})

test.each(['wal push', 'wal fetch'])('a server is not told of errors by "%s"', command => {
  const told = new ToldErrors(command)
  expect(told.note(finding('error'))).toEqual(finding('warning'))
  expect(told.exitCodeOf({ findings: [finding('error')] })).toBe(0)
})
