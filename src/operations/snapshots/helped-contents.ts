import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import type { Contents, Helper, Repository } from '../../repository/index.ts'
import { nearestFirst } from '../workspace/names.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What a repository holds, with the help of the others. */
export interface HelpedContents extends Contents {
  /** What was taken from others until now; empty: nothing. */
  taken(): readonly Finding[]
}

/**
 * What one repository holds; what is damaged or out of reach there is taken from the others of the configuration, nearest
 * first. These are opened when the first thing is lost, and `onFinding` is told then.
 * @param only the person named the repository: no other one is read
 */
export function helpedContents(
  workspace: Workspace,
  { name, repository }: { readonly name: string; readonly repository: Repository },
  only: string | undefined,
  onFinding: (finding: Finding) => void,
): HelpedContents {
  const taken = new TakenBlobs(name, onFinding)
  const names = only === undefined ? [...workspace.settings.repositories.keys()] : []
  const contents = repository.withHelp(helpersFor(workspace, names, [name], taken))
  return Object.assign(contents, { taken: () => taken.findings() })
}

export function helpersFor(
  workspace: Workspace,
  names: readonly string[],
  without: readonly string[],
  taken: TakenBlobs,
): Helper[] {
  return nearestFirst(workspace, names)
    .filter(name => !without.includes(name))
    .map(name => ({
      open: () => workspace.repository(name),
      onTaken: (blobs, bytes) => taken.add(name, blobs, bytes),
    }))
}

/** Counts what was taken from other repositories because one could not give it. */
export class TakenBlobs {
  readonly #lacking: string
  readonly #onFinding: (finding: Finding) => void
  readonly #from = new Map<string, { blobs: number; bytes: number }>()

  /** @param lacking the repository that could not */
  constructor(lacking: string, onFinding: (finding: Finding) => void) {
    this.#lacking = lacking
    this.#onFinding = onFinding
  }

  add(name: string, blobs: number, bytes: number): void {
    const known = this.#from.get(name)
    this.#from.set(name, { blobs: (known?.blobs ?? 0) + blobs, bytes: (known?.bytes ?? 0) + bytes })
    if (known === undefined) this.#onFinding(this.#finding(`something cannot be read here; it is taken from ${name}`))
  }

  findings(): Finding[] {
    return [...this.#from].map(([name, { blobs, bytes }]) =>
      this.#finding(
        `${blobs === 1 ? 'one blob' : `${blobs} blobs`} (${formatSize(bytes)}) could not be read here and came from ${name}`,
      ),
    )
  }

  #finding(message: string): Finding {
    return {
      severity: 'warning',
      code: 'taken-from-another-repository',
      subject: `repository ${this.#lacking}`,
      message,
      hint: `Run "lifeboat check --read-data --repo ${this.#lacking}" to see what is damaged.`,
    }
  }
}
