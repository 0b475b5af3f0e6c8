import { basename, dirname, resolve } from 'node:path'
import { z } from 'zod'
import { readBelieved, type Trust } from '../base/believed-file.ts'
import { AppError, isAppError, messageOf, systemCode } from '../base/errors.ts'
import { systemRandom } from '../base/random.ts'
import { Secret } from '../base/secret.ts'
import { readSecretFile } from '../base/secret-file.ts'
import { DERIVED_KINDS, type Mask, type MaskRule } from '../model/masking/rules.ts'
import { type ConfigDocument, type Problem, readDocument } from './document.ts'
import { problemsOf } from './problems.ts'

const text = z.string().min(1, 'a text that is not empty')
const words = ['keep', 'null', ...DERIVED_KINDS] as const

/** What each word for a rule means, for the reference. */
export const RULE_WORDS: Readonly<Record<(typeof words)[number], string>> = {
  keep: 'Stays as it is: it is not personal.',
  null: 'Becomes NULL.',
  hash: '32 hexadecimal digits; a UUID becomes a UUID, a whole number one of as many digits, bytes 32 bytes.',
  email: '`u3f2a9c81d0e4b7a6@example.com`: nobody gets mail there.',
  name: 'A name of syllables, `Belora Tamikuna`: one word where there was one, else two.',
  phone: 'The number in its form after the country code 999, which nobody has: `+49 30 1234` becomes `+99917 82 3190`.',
  text: 'Letters and digits become any others; length, blanks and punctuation stay.',
  format:
    'Letters become letters of their case and script, digits digits. Cards and IBANs stay valid, dates stay in their year, UUIDs and IP addresses stay such.',
}

const derived = z
  .strictObject({
    kind: z.enum(DERIVED_KINDS).describe('One of the words above that derive a value.'),
    domain: text
      .optional()
      .describe('Values of one domain mask equally wherever they are; default: all columns of the same kind.'),
  })
  .describe('A rule with a domain of its own.')

const rule = z.union([
  z.enum(words).describe('What becomes of the values.'),
  // A bare `null` in YAML, which means the same here.
  z.null(),
  z
    .strictObject({ fixed: z.union([z.string(), z.number(), z.boolean()]) })
    .describe('The same value in every row that has one.'),
  z
    .strictObject({ sql: text.describe('An expression over the columns of the row, in the language of the database.') })
    .describe('What an expression gives for the row.'),
  derived,
])

/** The one schema of a mask file. */
export const maskSchema = z
  .strictObject({
    seed: text
      .optional()
      .describe('What values are derived with: the same seed masks alike in every run. Default: a new one each run.'),
    seedFile: text.optional().describe('A file whose content is the seed; relative to this file.'),
    staging: text
      .optional()
      .describe(
        'A folder in which unmasked data may lie while it is masked, where memory is too small for it. Relative to this file.',
      ),
    tables: z
      .record(text, z.record(text, rule).describe('A rule for each column.'))
      .describe('Tables, as `users` or `public.users`, with a rule for each column that is masked.'),
  })
  .refine(value => value.seed === undefined || value.seedFile === undefined, {
    message: 'only one of seed and seedFile',
    when: () => true,
  })
  .describe('How production data is masked for a test copy (`mask.yaml`).')

type Rule = z.output<typeof rule>
type Settings = z.output<typeof maskSchema>

/** For editors: https://json-schema.org, draft 2020-12. */
export function maskJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(maskSchema, { io: 'input' })
}

export interface MaskContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** A mask decides what leaves masked. */
  readonly trust: Trust
}

/**
 * Reads a mask file. Throws `config-not-found`, or `config-invalid` with every problem and its line. Whether its tables
 * and columns exist is found out by the adapter that masks.
 */
export async function loadMask(file: string, { environment, trust }: MaskContext): Promise<Mask> {
  const absolute = resolve(file)
  const document = readDocument(await readText(absolute, trust), { environment, rootKeys: ['tables'] })
  if (document.problems.length > 0) throw invalid(absolute, document.problems)
  const parsed = maskSchema.safeParse(document.value ?? {})
  if (!parsed.success) throw invalid(absolute, problemsOf(parsed.error.issues, document, maskJsonSchema()))
  const { staging } = parsed.data
  return {
    file: absolute,
    seed: await seedOf(parsed.data, absolute, trust),
    tables: rulesOf(parsed.data, document, basename(absolute)),
    ...(staging === undefined ? {} : { staging: resolve(dirname(absolute), staging) }),
  }
}

function rulesOf(settings: Settings, document: ConfigDocument, name: string): Mask['tables'] {
  const at = (...path: string[]): string => {
    const { line, column } = document.placeOf(['tables', ...path], 'key')
    return `${name}:${line}:${column}`
  }
  return Object.entries(settings.tables).map(([table, columns]) => ({
    table,
    at: at(table),
    columns: Object.entries(columns).map(([column, each]) => ({ column, rule: ruleOf(each), at: at(table, column) })),
  }))
}

function ruleOf(written: Rule): MaskRule {
  if (written === null) return { kind: 'null' }
  if (typeof written === 'string') return { kind: written }
  if ('fixed' in written) return { kind: 'fixed', value: written.fixed }
  if ('sql' in written) return { kind: 'sql', expression: written.sql }
  return written
}

const RANDOM_SEED_BYTES = 32

async function seedOf(settings: Settings, file: string, trust: Trust): Promise<Secret> {
  if (settings.seed !== undefined) return new Secret(settings.seed)
  if (settings.seedFile === undefined) return new Secret(systemRandom.bytes(RANDOM_SEED_BYTES).toString('hex'))
  return await seedFromFile(resolve(dirname(file), settings.seedFile), file, trust)
}

async function seedFromFile(seedFile: string, file: string, trust: Trust): Promise<Secret> {
  const { secret } = await readSecretFile(seedFile, { what: 'the seed file', trust }).catch((error: unknown) => {
    if (isAppError(error)) throw error
    throw new AppError('config-invalid', `cannot read the seed file ${seedFile}: ${messageOf(error)}`, {
      hint: `Make it (openssl rand -hex 32 > ${seedFile}), or correct seedFile in ${file}.`,
      cause: error,
    })
  })
  if (secret.reveal() !== '') return secret
  throw new AppError('config-invalid', `the seed file ${seedFile} is empty`, {
    hint: `Fill it: openssl rand -hex 32 > ${seedFile}`,
  })
}

const LIMIT_BYTES = 4 * 1024 * 1024

async function readText(file: string, trust: Trust): Promise<string> {
  try {
    const { bytes } = await readBelieved(file, { what: 'the mask file', trust, limitBytes: LIMIT_BYTES })
    return bytes.toString('utf8')
  } catch (error) {
    if (isAppError(error)) throw error
    const missing = systemCode(error) === 'ENOENT'
    throw new AppError(
      missing ? 'config-not-found' : 'config-invalid',
      missing ? `no mask file at ${file}` : `cannot read the mask file ${file}: ${messageOf(error)}`,
      { hint: 'docs/guide/test-copies.md shows how to write one.', context: { file }, cause: error },
    )
  }
}

function invalid(file: string, problems: readonly Problem[]): AppError {
  const lines = problems.map(({ line, column, message, allowed }) => {
    const hint = allowed === undefined || allowed === '' ? '' : ` (allowed: ${allowed})`
    return `${basename(file)}:${line}:${column}: ${message}${hint}`
  })
  return new AppError('config-invalid', lines.join('\n'), {
    hint: `Correct ${file}; docs/guide/test-copies.md explains every rule.`,
    context: { file, problems },
  })
}
