import { archivedFor, thaw } from '../archive/archived.ts'
import { type Caller, lookAround } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { AGAIN } from './look-for-archived.ts'
import type { RestorePlan } from './plan.ts'

/** Before a plan is carried out: asks for what is archived. Throws `storage-archived` unless all of it can be read. */
export async function thawForPlan(workspace: Workspace, plan: RestorePlan, caller: Caller): Promise<void> {
  const repository = await workspace.repository(plan.repository.name)
  const { archive } = repository
  if (archive === undefined) return
  const { wish, snapshot } = plan
  await lookAround(workspace, caller, async run => {
    const found = await repository.getSnapshot(snapshot.id)
    const packs = await archivedFor(repository, found, wish.include ?? [], run.signal)
    const wait = wish.waitForArchive === true
    await thaw({ repository: plan.repository.name, packs, archive, wait, again: AGAIN }, run)
  })
}
