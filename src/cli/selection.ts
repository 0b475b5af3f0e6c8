import type { App } from '../app.ts'
import { isRepositoryUrl, typedRepositoryUrl } from '../model/repository-url.ts'
import { type ChosenSnapshot, chooseSnapshot, parseSnapshotWish } from '../operations/snapshots/choose-snapshot.ts'
import type { SnapshotWish } from '../operations/snapshots/find-snapshot.ts'
import type { Call } from './command.ts'

/** What the options that every command has mean: `--repo`, `--host`. */

/** A name, or a URL in its one spelling: a typed path is relative to the working directory. */
export function repoOf({ values, environment }: Pick<Call, 'values' | 'environment'>): string | undefined {
  const repo = values.text('repo')
  if (repo === undefined || !isRepositoryUrl(repo)) return repo
  return typedRepositoryUrl(repo, process.cwd(), environment)
}

/** The snapshot that is meant, from whichever repository has it. */
export async function chosenSnapshot(
  call: Call,
  app: App,
  source: string | undefined,
  wish: SnapshotWish,
): Promise<ChosenSnapshot> {
  const choice = { source, wish, repository: repoOf(call), host: call.values.text('host') }
  return await chooseSnapshot(app, choice, finding => call.onFinding(finding))
}

/** As a person writes it: `latest`, a time, an id. */
export function typedWish(call: Call, text: string): SnapshotWish {
  return parseSnapshotWish(text, call.clock.now())
}
