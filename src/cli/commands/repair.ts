import { formatTime } from '../../base/times.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import type { Named, RepairWish } from '../../operations/repair/repair.ts'
import { repositoryNames, singleRepositoryName } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { repairedSnapshotsJson } from '../../outputs/repair.ts'
import type { IndexRepair, PacksRepair, RepairedSnapshot, SnapshotsRepair } from '../../repository/index.ts'
import type { Call, Command, OptionSpec } from '../command.ts'
import { counted, formatFindings } from '../printers/text.ts'
import { repairEach } from '../repair.ts'
import { typedRepository } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

const DRY_RUN: OptionSpec = { flags: '-n, --dry-run', summary: 'only show what would be done' }
const YES: OptionSpec = { flags: '-y, --yes', summary: 'do it without asking' }
const FROM: OptionSpec = {
  flags: '--from <name>',
  summary: 'take what is lost from this repository, or its URL (default: all others of the configuration)',
  repeat: true,
  complete: 'repositories',
}
const ASKED =
  'First shows what would be done and what would be lost, and asks; without a terminal it needs --yes. If it is interrupted, run it again.'

export const repairIndexCommand: Command<Printed<'repair index'>> = {
  name: 'repair index',
  summary: 'write the index of a repository anew from its packs',
  description: [
    'For index files that are damaged or lost, and for the config and key files where the repository keeps parity. Reads the headers of all packs. Packs that no index names are added, and those that are gone are dropped. Nothing that can be read is lost.',
    ASKED,
  ],
  options: [DRY_RUN, YES],
  examples: [{ command: 'lifeboat repair index --dry-run', explains: 'what is wrong with the index' }],
  run: async call => {
    const { repairIndex } = await import('../../operations/repair/repair.ts')
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const reports = await repairEach<Named<IndexRepair>>(call, several, {
      names: repositoryNames(app, repositoryOf(call)),
      work: wish => repairIndex(app, wish, call.caller),
      isNeeded: ({ healed, damaged, indexed, dropped }) =>
        healed.length + damaged.length + indexed.length + dropped.length > 0,
      describe: (report, dryRun) => describeIndex(report, dryRun, call),
    })
    return {
      json: { dryRun: call.values.flag('dryRun'), repositories: reports, failed: several.failed },
      text: reports.map(report => describeIndex(report, call.values.flag('dryRun'), call)),
      exitCode: several.failure?.exitCode ?? 0,
    }
  },
}

export const repairPacksCommand: Command<Printed<'repair packs'>> = {
  name: 'repair packs',
  summary: 'bring back what damaged packs have lost',
  description: [
    'Takes packs that are missing or cut, and those that a check or a restore on this machine found damaged. Blobs that are whole in them go into new packs; the others are taken from parity, from another pack, or from another repository. What nobody has any more is named, with the snapshots that need it.',
    'A pack of which something is lost for good is put aside, in the folder "damaged" of the repository.',
    ASKED,
  ],
  arguments: [{ name: 'packs', summary: 'ids of packs (default: those known to be damaged)', variadic: true }],
  options: [FROM, DRY_RUN, YES],
  examples: [
    { command: 'lifeboat check --read-data', explains: 'find out what is damaged' },
    { command: 'lifeboat repair packs', explains: 'bring it back' },
    { command: 'lifeboat repair packs --repo main --from offsite --dry-run', explains: 'what offsite could give' },
  ],
  run: async call => {
    const { repairPacks } = await import('../../operations/repair/repair.ts')
    const app = await call.openApp()
    const packs = call.values.list('packs')
    const several = new SeveralRepositories(call)
    const reports = await repairEach<Named<PacksRepair>>(call, several, {
      names:
        packs.length > 0 ? [singleRepositoryName(app, repositoryOf(call))] : repositoryNames(app, repositoryOf(call)),
      work: wish => repairPacks(app, { ...wish, ...fromOf(call), packs }, call.caller),
      isNeeded: report => report.packs.length + report.fetched > 0,
      describe: (report, dryRun) => describePacks(report, dryRun, call),
    })
    const isLost = reports.some(report => report.absent + report.packs.reduce((sum, { lost }) => sum + lost, 0) > 0)
    return {
      json: { dryRun: call.values.flag('dryRun'), repositories: reports, failed: several.failed },
      text: reports.map(report => describePacks(report, call.values.flag('dryRun'), call)),
      exitCode: isLost ? 22 : (several.failure?.exitCode ?? 0),
    }
  },
}

export const repairSnapshotsCommand: Command<Printed<'repair snapshots'>> = {
  name: 'repair snapshots',
  summary: 'keep what can be read of snapshots that are not whole any more',
  description: [
    'The last resort, after "lifeboat repair packs": it refuses while anything can still be brought back. Each snapshot that cannot be read whole gets one beside it, with the tag "repaired", without the files and folders that are lost. A file of which a part is lost is left out whole.',
    'The damaged snapshots stay, unless --forget is given. Pinned ones stay even then.',
    ASKED,
  ],
  arguments: [{ name: 'snapshots', summary: 'ids of snapshots (default: all)', variadic: true }],
  options: [{ flags: '--forget', summary: 'remove the snapshots that cannot be read whole' }, FROM, DRY_RUN, YES],
  examples: [
    { command: 'lifeboat repair snapshots --dry-run', explains: 'what is lost for good' },
    { command: 'lifeboat repair snapshots --forget', explains: 'keep what is left, drop the damaged ones' },
  ],
  run: async call => {
    const { repairSnapshots } = await import('../../operations/repair/repair.ts')
    const app = await call.openApp()
    const snapshots = call.values.list('snapshots')
    const forget = call.values.flag('forget')
    const several = new SeveralRepositories(call)
    const names =
      snapshots.length > 0 ? [singleRepositoryName(app, repositoryOf(call))] : repositoryNames(app, repositoryOf(call))
    const reports = await repairEach<Named<SnapshotsRepair>>(call, several, {
      names,
      work: wish => repairSnapshots(app, { ...wish, ...fromOf(call), snapshots, forget }, call.caller),
      isNeeded: report =>
        report.snapshots.some(each => forget || each.outcome === 'rewritten' || each.outcome === 'healed'),
      describe: (report, dryRun) => describeSnapshots(report, { dryRun, forget }, call),
    })
    const dryRun = call.values.flag('dryRun')
    return {
      json: { dryRun, repositories: reports.map(repairedSnapshotsJson), failed: several.failed },
      text: reports.map(report => describeSnapshots(report, { dryRun, forget }, call)),
      exitCode: several.failure?.exitCode ?? 0,
    }
  },
}

/** `--from` means something else here than for reading. */
const repositoryOf = (call: Call): string | undefined => typedRepository(call, call.values.text('repo'))

function fromOf(call: Call): Pick<RepairWish, 'from'> {
  const from = call.values.list('from').map(name => typedRepository(call, name))
  return from.length > 0 ? { from } : {}
}

function describeIndex(report: Named<IndexRepair>, dryRun: boolean, call: Call): string {
  const { repository, healed, damaged, indexed, dropped, findings } = report
  const did = dryRun ? 'would be' : 'were'
  const lines = [
    ...(healed.length > 0 ? [`${healed.join(', ')} ${did} put back by parity`] : []),
    ...(damaged.length > 0 ? [`${counted(damaged.length, 'index file')} that cannot be read ${did} replaced`] : []),
    ...(indexed.length > 0 ? [`${counted(indexed.length, 'pack')} ${did} indexed anew`] : []),
    ...(dropped.length > 0 ? [`${counted(dropped.length, 'pack')} that are gone ${did} dropped from it`] : []),
  ]
  const head = lines.length === 0 ? 'the index is as it should be' : lines.join('; ')
  return `${repository}: ${head}\n${formatFindings(findings, call.terminal.out)}`
}

function describePacks(report: Named<PacksRepair>, dryRun: boolean, call: Call): string {
  const { repository, packs, fetched, absent, hurt, sound, findings } = report
  const paint = call.terminal.out
  const lines = packs.map(({ id, state, healed, salvaged, found, lost }) => {
    if (healed) return `  pack ${id.slice(0, SHORT_ID_DIGITS)}  ${state}: whole again by its parity\n`
    const gone = lost > 0 ? paint('red', `${lost} lost`) : 'nothing lost'
    return `  pack ${id.slice(0, SHORT_ID_DIGITS)}  ${state}: ${counted(salvaged, 'blob')} whole in it, ${found} from elsewhere, ${gone}\n`
  })
  const verb = dryRun ? 'would be ' : ''
  if (fetched > 0) lines.push(`  ${counted(fetched, 'blob')} that no index names ${verb}taken from elsewhere\n`)
  if (absent > 0) lines.push(`  ${paint('red', counted(absent, 'blob'))} that no index names: nobody has them\n`)
  if (hurt.length > 0) lines.push(`  ${counted(hurt.length, 'snapshot')} cannot be read whole any more, see below\n`)
  const looked = sound.length > 0 ? ` (${counted(sound.length, 'pack')} looked at and sound)` : ''
  const head =
    lines.length === 0
      ? `no pack is known to be damaged${looked}; "lifeboat check --read-data" reads all of them`
      : `${counted(packs.length, 'damaged pack')}${verb === '' ? ' repaired' : ''}`
  return `${repository}: ${head}\n${lines.join('')}${formatFindings(findings, paint)}`
}

function describeSnapshots(
  { repository, snapshots, sound, findings }: Named<SnapshotsRepair>,
  options: { readonly dryRun: boolean; readonly forget: boolean },
  call: Call,
): string {
  const head =
    snapshots.length === 0
      ? `all ${counted(sound, 'snapshot')} can be read whole`
      : `${counted(snapshots.length, 'snapshot')} cannot be read whole, ${sound} can`
  const lines = snapshots.map(each => describeSnapshot(each, options, call))
  return `${repository}: ${head}\n${lines.join('')}${formatFindings(findings, call.terminal.out)}`
}

const NAMED = 5

function describeSnapshot(
  { id, snapshot, replacement, outcome, lost, lostCount, forgotten }: RepairedSnapshot,
  { dryRun, forget }: { readonly dryRun: boolean; readonly forget: boolean },
  call: Call,
): string {
  const paint = call.terminal.out
  const time = snapshot === undefined ? 'its file is damaged' : formatTime(snapshot.time)
  const more = lostCount > NAMED ? ` and ${lostCount - NAMED} more` : ''
  const without = `without ${lost.slice(0, NAMED).join(', ')}${more}`
  const became = replacement === undefined ? '' : `, as ${replacement.id.slice(0, SHORT_ID_DIGITS)}`
  if (outcome === 'healed') return `  ${id.slice(0, SHORT_ID_DIGITS)}  ${time}  its file is whole again by its parity\n`
  const what = outcome === 'nothing-left' ? paint('red', 'nothing of it can be read') : `${without}${became}`
  const fate = forgotten ? '; forgotten' : dryRun && forget ? '; would be forgotten unless it is pinned' : ''
  return `  ${id.slice(0, SHORT_ID_DIGITS)}  ${time}  ${what}${fate}\n`
}
