import type { Workspace } from '../workspace/workspace.ts'
import { type ProbeReport, probeStorage } from './storage-probe.ts'

/** What the storage of a repository lets be done; it need not hold one yet. Nothing that fails is tried again. */
export async function probeRepository(
  workspace: Pick<Workspace, 'openStorage' | 'storageAccess' | 'clock'>,
  name: string,
  signal: AbortSignal | undefined,
): Promise<ProbeReport> {
  const { withoutConditions } = workspace.storageAccess(name)
  const storage = await workspace.openStorage(name, true)
  try {
    return await probeStorage(storage, { clock: workspace.clock, signal, withoutConditions })
  } finally {
    await storage.close()
  }
}
