import { z } from 'zod'
import { parseDuration } from '../base/durations.ts'
import { isAppError } from '../base/errors.ts'
import { parseHours } from '../base/hours.ts'
import { parseRate } from '../base/rates.ts'
import { parsePart } from '../base/sizes.ts'
import { BACKUP_TYPES } from '../model/manifest.ts'
import { PROOF_LEVELS } from '../model/recovery-point.ts'
import { parseRetentionDuration, type RetentionDuration } from '../model/retention-time.ts'
import { findStorage, STORAGES } from '../storage/registry.ts'
import { type Answers, assertionsSchema } from './assertions.ts'
import { commandSettings } from './command-settings.ts'
import { hook } from './hook-settings.ts'
import { notifierSchema, ping } from './notify-settings.ts'
import { restoreSettings } from './restore-settings.ts'
import { cron, maintenance, scheduleKeys } from './schedule-settings.ts'

const RESERVED = new Set(['prototype', ...Object.getOwnPropertyNames(Object.prototype)])

/** Names become tags, folders of snapshots and words on a command line. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
const name = z
  .string()
  .regex(NAME, 'a name of letters, digits, ".", "_" and "-", at most 64, starting with a letter or digit')
  // Programs that read our JSON take these for something else.
  .refine(value => !RESERVED.has(value), 'any name but "constructor", "prototype" and the like')

const text = z.string().min(1, 'a text that is not empty')
const path = text
const duration = z
  .string()
  .refine(value => parseDuration(value) !== undefined, 'a duration like "30m", "25h" or "7d"')
  .transform(value => parseDuration(value) ?? 0)
const count = z.int('a whole number').min(1, 'a whole number of 1 or more')

const RATE = 'a rate with its unit, at least 1 KiB/s: "500K", "5MB/s" or "100Mbit/s"'
const rate = z
  .string(RATE)
  .refine(value => parseRate(value) !== undefined, RATE)
  .transform(value => parseRate(value))

const HOURS = 'hours of the day like "22:00-06:00"'
const hours = z
  .string(HOURS)
  .refine(value => parseHours(value) !== undefined, HOURS)
  .transform(value => parseHours(value))

const lineLimit = z
  .strictObject({
    up: rate.optional().describe('For what is stored, as `5MB/s`, `500K` or `100Mbit/s`.'),
    down: rate.optional().describe('For what is read.'),
    hours: hours
      .optional()
      .describe('The limit counts within these hours alone, in local time, also over midnight: `22:00-06:00`.'),
  })
  .refine(({ up, down }) => up !== undefined || down !== undefined, { message: '"up", "down" or both' })

const MOST_PARITY = 0.5
const parity = z
  .string()
  .refine(value => (parsePart(value) ?? 1) <= MOST_PARITY, 'a part of up to "50%", like "5%"')
  .transform(value => parsePart(value) ?? 0)

export const PASSWORD_KEYS = ['passwordFile', 'passwordEnv', 'passwordCommand', 'password'] as const

const repository = z
  .strictObject({
    url: text.describe('Where the repository is: a folder (`./backups`), or a storage URL. Relative to this file.'),
    passwordFile: path.optional().describe('A file whose content is the password; only its owner may read it.'),
    passwordEnv: text.optional().describe('The environment variable that holds the password.'),
    passwordCommand: z
      .array(text)
      .min(1, 'a program and its arguments, as a list')
      .optional()
      .describe('A program and its arguments, run without a shell; what it prints is the password.'),
    passwordCommandEnv: commandSettings.environment.describe(
      'Variables of the environment that `passwordCommand` gets too, by name, as `VAULT_TOKEN`. It always gets PATH, HOME, USER, LANG, TZ and the like.',
    ),
    password: text.optional().describe('The password in clear. Lifeboat warns: use one of the other three.'),
    storage: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Settings of the storage. Which there are depends on its kind; a folder has none.'),
    limit: z
      .union([lineLimit.transform(only => [only]), z.array(lineLimit).min(1)], {
        error: 'a limit like { up: 5MB/s, hours: "08:00-18:00" }, or a list of such',
      })
      .optional()
      .describe(
        'Bytes a second over all connections to this repository. Of several, for each direction the first counts whose hours it is; when there is none, nothing is limited.',
      ),
    parity: parity
      .optional()
      .describe(
        'So much redundancy beside what is stored from now on, as `5%`: flipped bits, bad sectors and cut files are healed by it. Of small files, all of it.',
      ),
  })
  .refine(value => PASSWORD_KEYS.filter(key => value[key] !== undefined).length === 1, {
    message: `exactly one of ${PASSWORD_KEYS.slice(0, 3).join(', ')}`,
    when: () => true,
  })
  .describe('An encrypted, deduplicated store in restic’s format.')

type Repository = z.output<typeof repository>

/** Beside the keys of all repositories those that the storage of this URL takes, as its adapter defines them. */
function withStorageSettings(storages: typeof STORAGES) {
  return repository.transform((value, context): Omit<Repository, 'storage'> & { readonly storage: unknown } => {
    try {
      const parsed = findStorage(value.url, storages).options.safeParse(value.storage ?? {})
      for (const issue of parsed.error?.issues ?? []) {
        context.addIssue({ ...issue, path: ['storage', ...issue.path] })
      }
      return { ...value, storage: parsed.data }
    } catch (error) {
      if (!isAppError(error, 'unsupported')) throw error
      const forms = storages.flatMap(storage => storage.forms).join(', ')
      context.addIssue({ code: 'custom', path: ['url'], message: `${forms}; ${error.message}` })
      return z.NEVER
    }
  })
}

const span = z.string().transform((value, context): RetentionDuration => {
  try {
    return parseRetentionDuration(value)
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'a span of years, months, weeks, days and hours like "30d", "4w" or "1y6m"',
    })
    return z.NEVER
  }
})

const counted = (period: string) =>
  count.optional().describe(`The newest of each of the last n ${period}s that have one.`)
const spanned = (period: string) => span.optional().describe(`The newest of each ${period} this near to the newest.`)

const keep = z
  .strictObject({
    last: count.optional().describe('The newest n snapshots.'),
    hourly: counted('hour'),
    daily: counted('day'),
    weekly: counted('week'),
    monthly: counted('month'),
    yearly: counted('year'),
    within: span.optional().describe('All this near to the newest, as `30d` or `1y6m` (`m` is months here).'),
    withinHourly: spanned('hour'),
    withinDaily: spanned('day'),
    withinWeekly: spanned('week'),
    withinMonthly: spanned('month'),
    withinYearly: spanned('year'),
    window: span
      .optional()
      .describe(
        'What it takes to recover any moment of the last so long, with its log: `7d`. For PostgreSQL clusters.',
      ),
    tags: z.array(text).min(1).optional().describe('All that carry one of these tags; `a,b` means both.'),
  })
  .refine(value => Object.values(value).some(rule => rule !== undefined), { message: 'at least one rule' })
  .describe('Which snapshots stay when `lifeboat forget` runs. What no rule keeps goes; the newest always stays.')

const objectives = z
  .strictObject({
    rpo: duration.optional().describe('Recovery point objective: how old the newest recovery point may be, as `25h`.'),
    rto: duration.optional().describe('Recovery time objective: how long a recovery may take, as `30m`.'),
  })
  .describe('What the policy promises.')

const level = z.enum(PROOF_LEVELS)

const verification = z
  .union(
    [
      level.transform(wanted => ({ level: wanted, every: 1 })),
      z.strictObject({
        level: level.describe('`checked`: every byte is read. `restored`: it is brought back, then thrown away.'),
        every: count.default(1).describe('One in so many backups.'),
      }),
    ],
    { error: '"checked", "restored", or a mapping like { level: restored, every: 7 }' },
  )
  .describe('Prove after a backup that it comes back: `checked`, `restored`, or one in so many.')

const policy = z
  .strictObject({
    sources: z.array(name).min(1, 'at least one source').describe('Names of sources.'),
    repositories: z.array(name).min(1, 'at least one repository').describe('Names of repositories; each gets a copy.'),
    schedule: cron.optional().describe('When, as a cron expression: five fields, or six with seconds first.'),
    ...scheduleKeys,
    type: z.enum(BACKUP_TYPES).optional().describe('Type of the backups; default `incremental`.'),
    keep: keep.optional(),
    keepIn: z
      .record(name, keep)
      .optional()
      .describe(
        'In place of `keep` where repositories keep differently, by the name of the repository: `{ offsite: { monthly: 24 } }`.',
      ),
    objectives: objectives.optional(),
    verify: verification.optional(),
    before: hook
      .optional()
      .describe(
        'Run before the first copy of a backup: flush, or stop the application. When it fails, nothing is backed up.',
      ),
    after: hook
      .optional()
      .describe('Run when all copies of a backup have ended, however they did: start the application again.'),
    onFailure: hook
      .optional()
      .describe('Run last when anything of a backup failed, or it was interrupted: tell somebody.'),
  })
  .describe('Which sources go to which repositories, when, and how long they are kept.')

/** Keys that sources of every kind have beside those of their adapter. */
const commonSourceKeys = (answers: Answers) => ({
  restore: restoreSettings.optional(),
  assertions: assertionsSchema(answers).optional(),
})

/** What the schema needs of a source adapter's definition. */
export interface SourceKind {
  readonly kind: string
  readonly summary: string
  readonly options: z.ZodType
  readonly wrongKeys?: Readonly<Record<string, (value: unknown) => string>> | undefined
  /** What a restored copy can be asked. */
  readonly answers?: Answers
}

/** One source: `kind` and that kind's own keys, as its adapter defines them. */
function sourceSchema(definitions: readonly SourceKind[]): z.ZodType {
  const kinds = definitions.map(definition => {
    if (!(definition.options instanceof z.ZodObject))
      throw new TypeError(`options of ${definition.kind}: not an object`)
    return definition.options
      .strict()
      .safeExtend({
        kind: z.literal(definition.kind).describe(definition.summary),
        ...commonSourceKeys(definition.answers),
      })
      .describe(definition.summary)
  })
  const [first, ...rest] = kinds
  if (first === undefined) throw new TypeError('no kind of source is registered')
  return z.discriminatedUnion('kind', [first, ...rest])
}

/** The one schema of `lifeboat.yaml`: validation, editor support and the reference all come from it. */
export function configSchema(kinds: readonly SourceKind[], storages = STORAGES) {
  return z
    .strictObject({
      repositories: z.record(name, withStorageSettings(storages)).describe('Where recovery points are kept.'),
      sources: z.record(name, sourceSchema(kinds)).default({}).describe('What is protected.'),
      policies: z
        .record(name, policy)
        .optional()
        .describe('What goes where, when, and how long it is kept. No policy has the name of a source.'),
      maintenance: maintenance.prefault({}),
      notify: z.record(name, notifierSchema()).optional().describe('Who is told when something is wrong.'),
      ping: ping.optional(),
      host: name
        .optional()
        .describe('Name of this host in snapshots; default: what the system says. For containers, whose name changes.'),
      envFile: z
        .union([path, z.array(path).min(1)])
        .optional()
        .describe(
          'A `.env` file, or several, whose variables can be used as if they were in the environment, which wins. Relative to this file.',
        ),
      state: path
        .optional()
        .describe('Folder of the catalog, caches and journals; default `.lifeboat` beside this file.'),
    })
    .describe('Configuration of Lifeboat (`lifeboat.yaml`).')
}

/** What a configuration has at its top. */
export const ROOT_KEYS = ['repositories', 'sources', 'policies'] as const

export type CommonSourceSettings = z.output<z.ZodObject<ReturnType<typeof commonSourceKeys>>>
export const COMMON_SOURCE_KEYS: readonly string[] = Object.keys(commonSourceKeys('sql'))
export type RepositorySettings = z.output<ReturnType<typeof withStorageSettings>>

/** For editors: https://json-schema.org, draft 2020-12. */
export function configJsonSchema(kinds: readonly SourceKind[], storages = STORAGES): Record<string, unknown> {
  return z.toJSONSchema(configSchema(kinds, storages), { io: 'input' })
}
