import { isAbsolute, normalize } from 'node:path/posix'
import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'
import { parseSize } from '../base/sizes.ts'
import type { Assertion } from '../model/assertion.ts'
import { commandSettings } from './command-settings.ts'

const DEFAULT_TIMEOUT = '1m'

const SIZE = 'a size like 512 or "10K"'

const text = z.string().min(1, 'a text that is not empty')
const named = { name: text.optional().describe('What it is called in reports; default: what it does.') }
const timed = {
  ...named,
  timeout: z
    .string()
    .refine(value => (parseDuration(value) ?? 0) > 0, 'a duration like "30s" or "5m"')
    .optional()
    .describe(`How long it may take; default \`${DEFAULT_TIMEOUT}\`.`),
}

/** The key that every one of a kind has, and that says which kind it is. */
const KIND_KEYS = ['sql', 'command', 'http', 'exists'] as const

const sql = z
  .strictObject({
    sql: text.describe('A statement that gives one value, run so that it can change nothing.'),
    database: text.optional().describe('Of a source with several databases: which to ask. Default: its first.'),
    equals: z
      .union([z.string(), z.number(), z.boolean(), z.null()], 'a text, a number, true, false or null')
      .optional()
      .describe('It is this.'),
    atLeast: z.number('a number').optional().describe('It is this or more.'),
    atMost: z.number('a number').optional().describe('It is this or less.'),
    matches: z
      .string()
      .refine(isPattern, 'a regular expression')
      .optional()
      .describe('It matches this regular expression, somewhere.'),
    ...timed,
  })
  .refine(value => ['equals', 'atLeast', 'atMost', 'matches'].some(rule => rule in value), {
    message: 'at least one of equals, atLeast, atMost, matches',
  })
  .describe('Asks the restored database.')

const command = z
  .strictObject({
    ...commandSettings,
    command: commandSettings.command.describe(
      'A program, run without a shell in the folder of this file; exit code 0 passes.',
    ),
    ...timed,
  })
  .describe('Runs a program, with LIFEBOAT_RESTORED_PATH or LIFEBOAT_RESTORED_URL in its environment.')

const http = z
  .strictObject({
    http: z.url({ protocol: /^https?$/, error: 'an http or https URL' }).describe('A URL to get.'),
    status: z.int('a status like 200').min(100).max(599).optional().describe('The status it answers; default 200.'),
    contains: text.optional().describe('A text that is in the answer.'),
    ...timed,
  })
  .describe('Calls a URL.')

const exists = z
  .strictObject({
    exists: text
      .refine(isWithin, 'a path in the folder, relative to it')
      .describe('A file or folder that is there, relative to the source’s folder.'),
    sha256: z
      .string()
      .regex(/^[0-9a-fA-F]{64}$/, '64 hex digits')
      .optional()
      .describe('The SHA-256 of its content.'),
    minBytes: z
      .union([z.int().min(0), z.string().refine(value => parseSize(value) !== undefined, SIZE)], SIZE)
      .optional()
      .describe('Its least size, as `512` or `10K`.'),
    ...named,
  })
  .describe('Looks for a file.')

type Written = z.output<typeof sql> | z.output<typeof command> | z.output<typeof http> | z.output<typeof exists>

/** What restored copies of a kind can be asked beside commands and calls: SQL, or whether files exist; or nothing more. */
export type Answers = 'sql' | 'files' | undefined

/** The list under `assertions` of a source. */
export function assertionsSchema(answers: Answers) {
  const own = answers === 'sql' ? [sql] : answers === 'files' ? [exists] : []
  const kinds = [...own, command, http]
  const allowed = KIND_KEYS.filter(
    key => (key !== 'sql' || answers === 'sql') && (key !== 'exists' || answers === 'files'),
  )
  return z
    .array(z.union(kinds, { error: `a mapping with one of ${allowed.join(', ')}` }).transform(toAssertion))
    .describe('What must hold of restored data, beside what is checked anyway.')
}

function toAssertion(written: Written): Assertion {
  if ('exists' in written) {
    const { minBytes, sha256 } = written
    const least = typeof minBytes === 'string' ? parseSize(minBytes) : minBytes
    return { ...written, exists: normalize(written.exists), sha256: sha256?.toLowerCase(), minBytes: least }
  }
  const { timeout, ...rest } = written
  const timeoutMs = parseDuration(timeout ?? DEFAULT_TIMEOUT) ?? 0
  if ('http' in rest) return { ...rest, status: rest.status ?? 200, timeoutMs }
  return { ...rest, timeoutMs }
}

function isPattern(text: string): boolean {
  try {
    RegExp(text)
    return true
  } catch {
    return false
  }
}

function isWithin(path: string): boolean {
  const plain = normalize(path)
  return !isAbsolute(plain) && plain !== '..' && !plain.startsWith('../')
}
