import type { Named } from '../../operations/repair/repair.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { ParityRepair } from '../../repository/index.ts'
import type { Call, Command } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const repairParityCommand: Command<Printed<'repair parity'>> = {
  name: 'repair parity',
  summary: 'write parity that is missing or damaged',
  description: [
    'For repositories with "parity" in the configuration, once after it was set, and when a check says that parity is damaged. Reads what has none, and all parity. Removes parity of files that are gone. Nothing else is changed.',
  ],
  options: [{ flags: '-n, --dry-run', summary: 'only show what would be done' }],
  examples: [{ command: 'lifeboat repair parity --repo main', explains: 'for everything that is stored already' }],
  run: async call => {
    const { repairParity } = await import('../../operations/repair/repair.ts')
    const app = await call.openApp()
    const dryRun = call.values.flag('dryRun')
    const several = new SeveralRepositories(call)
    const reports = await several.each(repositoryNames(app, repoOf(call)), repository =>
      repairParity(app, { repository, dryRun }, call.caller),
    )
    return {
      json: { dryRun, repositories: reports, failed: several.failed },
      text: reports.map(report => describe(report, dryRun, call)),
      exitCode: several.failure?.exitCode ?? 0,
    }
  },
}

function describe(report: Named<ParityRepair>, dryRun: boolean, call: Call): string {
  const { repository, missing, damaged, removed, findings } = report
  const verb = dryRun ? 'would be written' : 'written'
  const rest = removed > 0 ? `, ${removed} that belonged to nothing ${dryRun ? 'would be ' : ''}removed` : ''
  return `${repository}: parity of ${counted(missing + damaged, 'file')} ${verb} (${missing} had none, of ${damaged} it was damaged)${rest}\n${formatFindings(findings, call.terminal.out)}`
}
