import { AppError } from '../../base/errors.ts'
import { formatSize, parsePart } from '../../base/sizes.ts'
import type { NamedCheckResult } from '../../operations/check/check-repository.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { AS_OF_OPTION, repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const check: Command<Printed<'check'>> = {
  name: 'check',
  summary: 'check that repositories are intact',
  description: [
    'Checks that every file exists and that the structure is sound. With --read-data, also reads and checks every byte (or a random part, like 10%), and marks snapshots as "checked".',
    'Exits with 22 if it finds damage. The findings name the damaged file and the snapshots that need it.',
  ],
  options: [{ flags: '--read-data [part]', summary: 'read all data, or a part like 10% or 1/7' }, AS_OF_OPTION],
  examples: [
    { command: 'lifeboat check', explains: 'the structure of all repositories' },
    { command: 'lifeboat check --read-data', explains: 'every byte' },
    {
      command: 'lifeboat check --read-data=10% --repo offsite',
      explains: 'a random tenth, a different one each night',
    },
  ],
  run: async call => {
    const { checkRepository } = await import('../../operations/check/check-repository.ts')
    const readData = readPart(call)
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const results = await several.each(repositoryNames(app, repoOf(call)), repository =>
      checkRepository(app, { repository, readData }, call.caller),
    )
    const { failure, failed } = several
    const whole = results.every(result => result.whole)
    return {
      json: {
        whole: whole && failure === undefined,
        findings: results.flatMap(result => result.findings),
        repositories: results,
        failed,
      },
      text: results.map(result => describe(result, call)).join(''),
      exitCode: whole ? (failure?.exitCode ?? 0) : 22,
    }
  },
}

function readPart(call: Call): number {
  const part = call.values.text('readData')
  if (part === undefined) return call.values.flag('readData') ? 1 : 0
  const parsed = parsePart(part)
  if (parsed !== undefined) return parsed
  throw new AppError('usage', `--read-data cannot be "${part}"`, {
    hint: 'Give a part like 10% or 1/7, or nothing for all.',
  })
}

function describe(result: NamedCheckResult, call: Call): string {
  const paint = call.terminal.out
  const verdict = result.whole ? paint('green', 'whole') : paint('red', 'damaged')
  const read =
    result.packsRead > 0 ? `, read ${counted(result.packsRead, 'pack')} (${formatSize(result.bytesRead)})` : ''
  return (
    `${result.repository}: ${verdict}: ${counted(result.snapshots, 'snapshot')}, ${counted(result.packs, 'pack')}, ${counted(result.blobs, 'blob')}${read}\n` +
    formatFindings(result.findings, paint)
  )
}
