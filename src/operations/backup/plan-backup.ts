import { sep } from 'node:path'
import { AppError, isAppError } from '../../base/errors.ts'
import type { Finding } from '../../model/finding.ts'
import type { BackupType } from '../../model/manifest.ts'
import type { ProofLevel } from '../../model/recovery-point.ts'
import { probe } from '../probe/probe.ts'
import { type Copy, isVerificationDue } from '../verify/due.ts'
import { type Caller, lookAround, type Run } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { type BackupWish, copiesOf, policyNamesOf, typeOf, verificationRuleOf } from './copies.ts'
import { findParent, isRelative } from './parent.ts'

export interface PlannedBackup {
  readonly kind: string
  readonly type: BackupType
  /** It would be relative to this snapshot. */
  readonly parent: string | undefined
  /** That it would be taken for. */
  readonly policies: readonly string[]
  /** It would be verified this far. */
  readonly verify: ProofLevel | undefined
  /** Folders in it that are ours, and so never captured. */
  readonly excluded: readonly string[]
  /** Can it be captured now? */
  readonly ready: boolean
  readonly findings: readonly Finding[]
}

/** One source to one repository: what a backup would do, or why it could not. */
export type PlannedCopy = Copy & (PlannedBackup | { readonly error: AppError })

/** What `backUp` would do with the same wish. Writes to no repository and no source, and runs no hook. */
export async function planBackup(workspace: Workspace, wish: BackupWish, caller: Caller): Promise<PlannedCopy[]> {
  const copies = copiesOf(workspace, wish)
  return await lookAround(workspace, caller, async run => {
    const planned: PlannedCopy[] = []
    for (const copy of copies) {
      try {
        planned.push({ ...copy, ...(await planOne(workspace, wish, copy, run)) })
      } catch (error) {
        if (!(error instanceof AppError) || isAppError(error, 'interrupted')) throw error
        planned.push({ ...copy, error })
      }
    }
    return planned
  })
}

async function planOne(workspace: Workspace, wish: BackupWish, copy: Copy, run: Run): Promise<PlannedBackup> {
  const source = await workspace.source(copy.source)
  const repository = await workspace.repository(copy.repository)
  const { ready, findings } = await probe(source, run)
  const asked = typeOf(workspace, wish, copy)
  const { host, clock } = workspace
  // What is damaged in the parent is a backup's to mend.
  const writing = { distrust: (): void => {} }
  const found = await findParent({ source, repository, writing, type: asked, host, clock })
  const type = found.parent === undefined && isRelative(asked) ? 'full' : asked
  return {
    kind: source.kind,
    type,
    parent: found.parent?.id,
    policies: policyNamesOf(workspace, wish, copy),
    verify: await dueVerification(workspace, wish, copy),
    excluded: ownFoldersIn(workspace, copy.source),
    ready,
    findings: [...findings, ...found.findings],
  }
}

async function dueVerification(workspace: Workspace, wish: BackupWish, copy: Copy): Promise<ProofLevel | undefined> {
  const rule = verificationRuleOf(workspace, wish, copy)
  if (rule === undefined) return undefined
  const isDue = await isVerificationDue(workspace.catalog, copy, rule, workspace.clock.now(), 1)
  return isDue ? rule.level : undefined
}

function ownFoldersIn(workspace: Workspace, source: string): readonly string[] {
  const place = workspace.ownPlace(source)
  if (place === undefined) return []
  return workspace.ownFolders.filter(folder => folder.startsWith(place.endsWith(sep) ? place : `${place}${sep}`))
}
