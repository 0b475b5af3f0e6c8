import type { Discovery } from '../operations/init/discovery.ts'
import { listOwnOptions, type OwnOption } from '../operations/restore/own-options.ts'
import { SOURCES } from '../sources/registry.ts'
import type { Program } from '../sources/source.ts'

/** What the kinds of sources say without a configuration. Light: help and completion read it. */

type Environment = Readonly<Record<string, string | undefined>>

/** What sources of some kinds alone are told of a restore. */
export const OWN_RESTORE_OPTIONS: readonly OwnOption[] = listOwnOptions(SOURCES)

/** What is worth protecting in a folder: see `operations/init/discovery.ts`. */
export async function discoverSources(
  folder: string,
  environment: Environment,
  signal: AbortSignal,
): Promise<{ readonly discovery: Discovery; readonly examples: readonly string[] }> {
  const { discover } = await import('../operations/init/discovery.ts')
  const discovery = await discover({ folder, environment, kinds: SOURCES, signal })
  return { discovery, examples: SOURCES.map(({ example }) => example) }
}

/** Programs on this machine that sources work with. */
export async function listPrograms(environment: Environment): Promise<readonly Program[]> {
  return (await Promise.all(SOURCES.map(async ({ programs }) => (await programs?.(environment)) ?? []))).flat()
}
