import { formatDuration } from '../../base/durations.ts'
import { AppError } from '../../base/errors.ts'
import { formatSize, parsePart, parseSize } from '../../base/sizes.ts'
import { formatTime, formatTimeWithZone } from '../../base/times.ts'
import type { CheckedLocks } from '../../operations/check/check-locks.ts'
import type { NamedCheckResult } from '../../operations/check/check-repository.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import { checkedJson } from '../../outputs/maintenance.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { ReadCoverage, ReadData } from '../../repository/index.ts'
import type { Call, Command, Output } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { AS_OF_OPTION, repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const check: Command<Printed<'check'>> = {
  name: 'check',
  summary: 'check that repositories are intact',
  description: [
    'Checks that every file exists and that the structure is sound. With --read-data, also reads and checks every byte, and marks snapshots as "checked".',
    'For large repositories, read a part each time: 10% or 5GB take what this machine has not read for longest, so that ten runs at 10% read everything, and the output says how far that is. 2/7 is the second of seven fixed parts, as in restic.',
    'With --immutable, says instead whether whoever gets the key of the storage could destroy the backups, and how it knows. It asks the service, reads the locks of some objects, and tries to destroy an empty object of its own. Exits with 21 unless the backups are protected.',
    'Exits with 22 if it finds damage. The findings name the damaged file and the snapshots that need it.',
  ],
  options: [
    { flags: '--read-data [part]', summary: 'read all data, or a part like 10%, 5GB or 2/7' },
    { flags: '--immutable', summary: 'only say whether a stolen key could destroy the backups' },
    AS_OF_OPTION,
    { flags: '--thaw', summary: 'with --read-data: ask the storage for archived packs first, for a price' },
    { flags: '--wait', summary: 'with --thaw: wait until they can be read, which takes hours' },
  ],
  examples: [
    { command: 'lifeboat check', explains: 'the structure of all repositories' },
    { command: 'lifeboat check --read-data', explains: 'every byte' },
    {
      command: 'lifeboat check --read-data=10% --repo offsite',
      explains: 'a tenth, each night another one',
    },
    { command: 'lifeboat check --immutable', explains: 'could ransomware destroy the backups?' },
  ],
  run: async call => {
    if (call.values.flag('immutable')) return await checkImmutable(call)
    const { checkRepository } = await import('../../operations/check/check-repository.ts')
    const readData = readDataOf(call)
    const thawing = thawingOf(call, readData)
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const results = await several.each(repositoryNames(app, repoOf(call)), repository =>
      checkRepository(app, { repository, readData, ...thawing }, call.caller),
    )
    const { failure, failed } = several
    const whole = results.every(result => result.whole)
    const isUnread = readData !== 0 && results.some(({ packsArchived }) => packsArchived > 0)
    return {
      json: {
        whole: whole && failure === undefined,
        findings: results.flatMap(result => result.findings),
        repositories: results.map(checkedJson),
        failed,
      },
      text: results.map(result => describe(result, call)).join(''),
      exitCode: whole ? (failure?.exitCode ?? (isUnread ? NOT_ALL_READ : 0)) : 22,
    }
  },
}

async function checkImmutable(call: Call): Promise<Output<Printed<'check'>>> {
  if (call.values.text('readData') !== undefined || call.values.flag('readData')) {
    throw new AppError('usage', '--immutable does not read data', { hint: 'Run the two one after the other.' })
  }
  const { checkLocks } = await import('../../operations/check/check-locks.ts')
  const app = await call.openApp()
  const several = new SeveralRepositories(call)
  const results = await several.each(repositoryNames(app, repoOf(call)), name => checkLocks(app, name, call.caller))
  const isProtected = results.every(({ verdict }) => verdict === 'protected')
  return {
    json: { immutable: results.map(result => ({ ...result, until: result.until ?? null })), failed: several.failed },
    text: results.map(result => describeLocks(result, call)).join(''),
    exitCode: isProtected ? (several.failure?.exitCode ?? 0) : 21,
  }
}

const VERDICTS = {
  protected: ['green', 'protected: who gets the key of its storage cannot destroy it'],
  'not-protected': ['red', 'NOT protected: who gets the key of its storage can destroy it'],
  unknown: ['yellow', 'unknown: it could not be found out whether a stolen key can destroy it'],
} as const

const SIGNS = new Map([
  [true, 'yes'],
  [false, 'no '],
  [null, '?  '],
])

function describeLocks({ repository, verdict, until, reasons, advice }: CheckedLocks, call: Call): string {
  const [colour, sentence] = VERDICTS[verdict]
  return [
    `${repository}: ${call.terminal.out(colour, sentence)}${until ? ` before ${formatTimeWithZone(until)}` : ''}`,
    ...reasons.map(({ holds, message }) => `  ${SIGNS.get(holds)} ${message}`),
    ...advice,
    '',
  ].join('\n')
}

/** Everything that could be read is sound, and something is archived. */
const NOT_ALL_READ = 3

function thawingOf({ values }: Call, readData: ReadData): { readonly thaw: boolean; readonly wait: boolean } {
  const [thaw, wait] = [values.flag('thaw'), values.flag('wait')]
  if (thaw && readData === 0) {
    throw new AppError('usage', '--thaw needs --read-data', { hint: 'Nothing else is read of archived packs.' })
  }
  if (wait && !thaw) throw new AppError('usage', '--wait needs --thaw', { hint: 'Give both, or neither.' })
  return { thaw, wait }
}

function readDataOf(call: Call): ReadData {
  const text = call.values.text('readData')
  if (text === undefined) return call.values.flag('readData') ? 1 : 0
  const subset = /^(\d{1,3})\/(\d{1,3})$/.exec(text)?.slice(1).map(Number)
  if (subset !== undefined) return subsetOf(text, subset)
  const part = parsePart(text)
  if (part !== undefined) return part
  const bytes = parseSize(text)
  if (bytes !== undefined && bytes > 0 && !/^\d+$/.test(text)) return { bytes }
  throw wrongAmount(text)
}

/** restic's limits: a pack's part follows from the first byte of its id. */
function subsetOf(text: string, [subset = 0, of = 0]: readonly number[]): ReadData {
  if (subset >= 1 && subset <= of && of <= 256) return { subset, of }
  throw wrongAmount(text)
}

function wrongAmount(text: string): AppError {
  return new AppError('usage', `--read-data cannot be "${text}"`, {
    hint: 'Give a part like 10%, a size like 5GB, one of up to 256 parts like 2/7, or nothing for all.',
  })
}

function describe(result: NamedCheckResult, call: Call): string {
  const paint = call.terminal.out
  const verdict = result.whole ? paint('green', 'whole') : paint('red', 'damaged')
  const read =
    result.packsRead > 0 ? `, read ${counted(result.packsRead, 'pack')} (${formatSize(result.bytesRead)})` : ''
  return (
    `${result.repository}: ${verdict}: ${counted(result.snapshots, 'snapshot')}, ${counted(result.packs, 'pack')}, ${counted(result.blobs, 'blob')}${read}\n` +
    (result.packsRead > 0 && result.packsRead < result.packs ? describeCoverage(result.coverage, call) : '') +
    formatFindings(result.findings, paint)
  )
}

/** `84% of the data was read in the last 9 days`: how far the parts of many runs have come. */
function describeCoverage({ readBytes, totalBytes, oldestReadAt, packsNeverRead }: ReadCoverage, call: Call): string {
  if (oldestReadAt === undefined) return ''
  const age = formatDuration(Math.max(0, call.clock.now().getTime() - oldestReadAt.getTime()))
  const percent = totalBytes === 0 ? 100 : Math.floor((readBytes / totalBytes) * 100)
  const rest = packsNeverRead > 0 ? `; ${counted(packsNeverRead, 'pack')} never` : ''
  return `  ${percent}% of the data was read in the last ${age}, the oldest at ${formatTime(oldestReadAt)}${rest}\n`
}
