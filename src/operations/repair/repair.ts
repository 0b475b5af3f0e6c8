import type { Finding } from '../../model/finding.ts'
import type {
  IndexRepair,
  PacksRepair,
  ParityRepair,
  RepairOptions,
  Repository,
  SnapshotsRepair,
  StepProgress,
} from '../../repository/index.ts'
import { helpersFor, TakenBlobs } from '../snapshots/helped-contents.ts'
import { type Caller, lookAround, type Run, runOnce } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface RepairWish {
  readonly repository: string
  /** Only say what would be done. */
  readonly dryRun: boolean
  /** Repositories to take from what this one has not; default: all others of the configuration, nearest first. */
  readonly from?: readonly string[] | undefined
  readonly lockWaitMs?: number | undefined
}

export interface NamedPacksWish extends RepairWish {
  /** Ids of packs; empty: those that are known to be damaged. */
  readonly packs: readonly string[]
}

export interface SnapshotsWish extends RepairWish {
  /** Full ids or unique prefixes; empty: all. */
  readonly snapshots: readonly string[]
  /** Remove those that cannot be read whole. */
  readonly forget: boolean
}

export type Named<Report> = Report & { readonly repository: string }

/** Makes the index of a repository say what its packs hold. */
export async function repairIndex(workspace: Workspace, wish: RepairWish, caller: Caller): Promise<Named<IndexRepair>> {
  return await repairing(workspace, wish, caller, {
    operation: 'repair-index',
    work: (repository, options) => repository.repairs.index(options),
    count: ({ damaged, indexed, dropped }) => ({
      damaged: damaged.length,
      indexed: indexed.length,
      dropped: dropped.length,
    }),
  })
}

/** Saves what is whole in damaged packs, and brings the rest back from wherever it is. */
export async function repairPacks(
  workspace: Workspace,
  wish: NamedPacksWish,
  caller: Caller,
): Promise<Named<PacksRepair>> {
  return await repairing(workspace, wish, caller, {
    operation: 'repair-packs',
    work: (repository, options) => repository.repairs.packs(wish.packs, options),
    count: ({ packs, fetched, absent }) => ({
      packs: packs.length,
      found: packs.reduce((sum, each) => sum + each.found, fetched),
      lost: packs.reduce((sum, each) => sum + each.lost, absent),
    }),
  })
}

/** Makes of snapshots that cannot be read whole such that can. */
export async function repairSnapshots(
  workspace: Workspace,
  wish: SnapshotsWish,
  caller: Caller,
): Promise<Named<SnapshotsRepair>> {
  return await repairing(workspace, wish, caller, {
    operation: 'repair-snapshots',
    work: (repository, options) => repository.repairs.snapshots(wish.snapshots, { ...options, forget: wish.forget }),
    count: ({ snapshots, sound }) => ({ broken: snapshots.length, sound }),
  })
}

/** Writes parity that is missing or damaged. */
export async function repairParity(
  workspace: Workspace,
  wish: RepairWish,
  caller: Caller,
): Promise<Named<ParityRepair>> {
  return await repairing(workspace, wish, caller, {
    operation: 'repair-parity',
    work: (repository, options) => repository.repairs.parity(options),
    count: ({ missing, damaged, removed }) => ({ missing, damaged, removed }),
  })
}

interface Repairing<Report> {
  readonly operation: string
  readonly work: (repository: Repository, options: RepairOptions) => Promise<Report>
  readonly count: (report: Report) => Record<string, number>
}

async function repairing<Report extends { readonly findings: readonly Finding[] }>(
  workspace: Workspace,
  wish: RepairWish,
  caller: Caller,
  { operation, work, count }: Repairing<Report>,
): Promise<Named<Report>> {
  const { repository: name, dryRun } = wish
  const repair = async (run: Run): Promise<Named<Report>> => {
    const taken = new TakenBlobs(name, () => {})
    const report = await work(await workspace.repository(name), optionsOf(workspace, wish, run, taken))
    const findings = dryRun ? report.findings : [...taken.findings(), ...report.findings]
    return { ...report, repository: name, findings }
  }
  if (dryRun) return await lookAround(workspace, caller, repair)
  return await runOnce(workspace, caller, { operation, repository: name }, repair, report => ({
    outcome: report.findings.some(({ severity }) => severity === 'error') ? 'incomplete' : 'done',
    statistics: count(report),
    findings: report.findings,
  }))
}

function optionsOf(
  workspace: Workspace,
  { repository, dryRun, from, lockWaitMs }: RepairWish,
  { signal, tell }: Run,
  taken: TakenBlobs,
): RepairOptions {
  const names = from ?? [...workspace.settings.repositories.keys()]
  return {
    dryRun,
    lockWaitMs,
    signal,
    helpers: helpersFor(workspace, names, [repository], taken),
    onProgress: ({ step, ...progress }: StepProgress) =>
      tell({ kind: 'progress', progress: { label: `repair ${repository}: ${step}`, ...progress } }),
  }
}
