import { type Incomplete, incompleteFinding } from '../model/incomplete.ts'
import { labelsOf } from '../model/recovery-point.ts'
import { loadManifest } from '../operations/browse/snapshot-tree.ts'
import type { Contents, Snapshot } from '../repository/index.ts'
import type { Call } from './command.ts'
import { formatFinding } from './printers/text.ts'
import type { Paint } from './terminal.ts'

/** How every command says what a snapshot lacks of the source that it is of. */

/** Opens the manifest, which names it, only where the tags say that there is something. */
export async function findIncomplete(contents: Contents, snapshot: Snapshot): Promise<Incomplete | undefined> {
  if (labelsOf(snapshot.tags).incomplete === undefined) return undefined
  return (await loadManifest(contents, snapshot))?.incomplete
}

export function describeIncomplete({ id }: Snapshot, incomplete: Incomplete | undefined, paint: Paint): string {
  return incomplete === undefined ? '' : formatFinding(incompleteFinding(id, incomplete), paint)
}

/** For commands that go through several: what is missing in them may be why it is not found. */
export function warnOfIncomplete(call: Call, snapshots: readonly Snapshot[]): void {
  const found = snapshots.filter(({ tags }) => labelsOf(tags).incomplete !== undefined)
  const [first] = found.map(({ id }) => id.slice(0, 8))
  if (first === undefined) return
  const which = found.length === 1 ? `snapshot ${first} is` : `${found.length} of the snapshots are`
  call.logger.warn(`${which} incomplete: "lifeboat ls ${first}" names what was not captured`)
}
