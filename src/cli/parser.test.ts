import { describe, expect, test } from 'vitest'
import { AppError } from '../base/errors.ts'
import { parseCommandLine } from './parser.ts'
import { COMMANDS } from './registry.ts'
import type { Values } from './values.ts'

async function values(...argv: string[]): Promise<Values> {
  const parsed = await parseCommandLine(argv)
  if (parsed.kind !== 'run') throw new Error(`printed ${parsed.text}`)
  return parsed.values
}

async function errorOf(...argv: string[]): Promise<AppError> {
  const error: unknown = await parseCommandLine(argv).catch((thrown: unknown) => thrown)
  if (error instanceof AppError) return error
  throw new Error('no error of ours')
}

test('global options stand before or after the command', async () => {
  for (const argv of [
    ['--repo', 'offsite', '--json', 'backup', 'app', '-vv'],
    ['backup', 'app', '--json', '-v', '--repo=offsite', '-v'],
  ]) {
    const read = await values(...argv)
    expect([read.text('repo'), read.flag('json'), read.list('sources'), read.number('verbosity')]).toEqual([
      'offsite',
      true,
      ['app'],
      2,
    ])
  }
})

test('options with an optional value, repeated ones, and negated ones', async () => {
  expect((await values('check', '--read-data')).flag('readData')).toBe(true)
  expect((await values('check', '--read-data=10%')).text('readData')).toBe('10%')
  expect((await values('backup', '--tag', 'a', '--tag', 'b', 'app')).list('tag')).toEqual(['a', 'b'])
  const restore = await values('restore', 'app', '--no-delta')
  expect([restore.flag('delta'), restore.flag('checks'), restore.flag('progress')]).toEqual([false, true, true])
})

test('commands of two words', async () => {
  const parsed = await parseCommandLine(['key', 'remove', '3f2a'])
  expect(parsed.kind === 'run' && [parsed.command.name, parsed.values.text('id')]).toEqual(['key remove', '3f2a'])
})

test.each([
  [['backpu'], "unknown command 'backpu'", 'Did you mean backup?'],
  [['backup', '--tpye', 'full'], "unknown option '--tpye'", 'Did you mean --type?'],
  [['backup', '--type', 'fast'], "option '-t, --type <type>' argument 'fast' is invalid", 'lifeboat backup --help'],
  [['key'], 'the command is not complete', 'lifeboat key --help'],
  [['key', 'lst'], "unknown command 'lst'", 'Did you mean list?'],
  [['restore'], "missing required argument 'source'", 'lifeboat restore --help'],
  [['doctor', 'x'], 'too many arguments', 'lifeboat doctor --help'],
  [['--repo'], "option '--repo <name-or-url>' argument missing", 'lifeboat --help'],
])('%j is a usage error that helps', async (argv, message, hint) => {
  const error = await errorOf(...argv)
  expect([error.code, error.exitCode]).toEqual(['usage', 2])
  expect(error.message).toContain(message)
  expect(error.hint).toContain(hint)
})

test('wrong numbers and durations are usage errors', async () => {
  const read = await values('forget', 'app', '--keep-last', '0', '--lock-wait', 'soon')
  expect(() => read.count('keepLast', '--keep-last')).toThrow('--keep-last cannot be "0"')
  expect(() => read.durationMs('lockWait', '--lock-wait')).toThrow('--lock-wait cannot be "soon"')
})

describe('help', () => {
  test.each([[[]], [['--help']], [['help']], [['-h']]])('%j lists every command', async argv => {
    const parsed = await parseCommandLine(argv)
    for (const { name } of COMMANDS) expect(parsed.kind === 'print' && parsed.text).toContain(name)
  })

  test.each(COMMANDS.map(entry => [entry.name, entry] as const))('%s has examples', async (name, entry) => {
    const command = await entry.load()
    expect([command.name, command.summary]).toEqual([entry.name, entry.summary])
    for (const argv of [
      [...name.split(' '), '--help'],
      ['help', ...name.split(' ')],
    ]) {
      const parsed = await parseCommandLine(argv)
      const text = parsed.kind === 'print' ? parsed.text : ''
      expect(text).toContain(`Usage: lifeboat ${name}`)
      expect(command.examples.length).toBeGreaterThan(0)
      for (const example of command.examples) expect(text).toContain(example.command)
    }
  })
})
