import { expect, test } from 'vitest'
import { ERROR_CODES } from '../base/error-codes.ts'
import { AppError } from '../base/errors.ts'
import { errorOutput } from '../outputs/fields.ts'
import { describeFailure } from './failures.ts'

const ordinary = { signal: new AbortController().signal, exitCode: undefined }
const stopped = { signal: AbortSignal.abort(), exitCode: 143 }
const plain = (_style: unknown, text: string): string => text

test('every error of ours becomes its exit code, its message and its hint, without a stack', () => {
  for (const code of Object.keys(ERROR_CODES) as Array<keyof typeof ERROR_CODES>) {
    const failure = describeFailure(new AppError(code, 'cannot do it', { hint: 'Do that.' }), ordinary, plain)
    expect(failure.exitCode).toBe(ERROR_CODES[code].exit)
    expect(failure.text).toBe('error: cannot do it\nDo that.\n')
    expect(() => errorOutput.parse(failure.json)).not.toThrow()
  }
})

test('a fault of the environment is told without a stack', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  expect(describeFailure(full, ordinary, plain)).toMatchObject({
    exitCode: 1,
    text: expect.stringContaining('Free some space'),
  })
  const denied = Object.assign(new Error("EACCES: permission denied, open '/x'"), { code: 'EACCES' })
  expect(describeFailure(denied, ordinary, plain).text).not.toContain('    at ')
})

test.each([
  [Object.assign(new Error('EFBIG: file too large, write'), { code: 'EFBIG' }), 'ulimit -f'],
  [new RangeError('Array buffer allocation failed'), 'ulimit -v'],
  [Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' }), 'ulimit -v'],
  [Object.assign(new Error('Worker initialization failure'), { code: 'ERR_WORKER_INIT_FAILED' }), 'ulimit -v'],
])('%s is a limit of this process: the hint names it, and no stack is shown', (error, limit) => {
  const { text } = describeFailure(error, ordinary, plain)
  expect(text).toContain(limit)
  expect(text).not.toMatch(/ {4}at |Free some space|bug/)
})

test('what follows from a signal is an interruption, with the code that a shell gives it', () => {
  expect(describeFailure(new Error('The operation was aborted'), stopped, plain)).toMatchObject({
    exitCode: 143,
    json: { error: { code: 'interrupted' } },
  })
})

test('anything else is a bug: stack, and a plea to report it', () => {
  const failure = describeFailure(new TypeError('x is not a function'), ordinary, plain)
  expect(failure.exitCode).toBe(1)
  expect(failure.text).toMatch(/a bug in Lifeboat\nTypeError: x is not a function\n {4}at [^]*report/)
  expect(() => errorOutput.parse(failure.json)).not.toThrow()
})
