import { throwIfAborted } from '../../base/errors.ts'
import type { SourceDefinition } from '../../sources/source.ts'
import { findComposeServices, findWranglerBindings, unsupportedServices } from './deployment-files.ts'
import { findNamedDatabases, unsupportedDatabases } from './environment-files.ts'
import type { OtherFind } from './other-find.ts'

/** A source for the configuration. */
export interface ProposedSource {
  readonly name: string
  readonly kind: string
  readonly why: string
  /** Its keys, `kind` left out; of a variable its name: `${DATABASE_URL}`. */
  readonly options: Readonly<Record<string, string>>
}

export interface Discovery {
  readonly sources: readonly ProposedSource[]
  readonly others: readonly OtherFind[]
  /** Files with the variables that the sources use, relative to the folder. */
  readonly envFiles: readonly string[]
  /** Folders that were not looked into, relative to the folder. */
  readonly passedOver: readonly string[]
}

export interface DiscoveryRequest {
  readonly folder: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly kinds: readonly Pick<SourceDefinition, 'kind' | 'discover'>[]
  readonly signal: AbortSignal
}

/** Looks through a folder for what each kind of source knows to find. Values of variables never leave here. */
export async function discover({ folder, environment, kinds, signal }: DiscoveryRequest): Promise<Discovery> {
  const { databases, fileOf } = await findNamedDatabases(folder, environment)
  const services = await findComposeServices(folder)
  const sources: ProposedSource[] = []
  const others: OtherFind[] = []
  const passedOver: string[] = []
  const envFiles = new Set<string>()
  const taken = new Set<string>()
  for (const { kind, discover: look } of kinds) {
    throwIfAborted(signal)
    const found = await look?.({ folder, signal, databases, services })
    for (const { name, why, options, variable } of found?.sources ?? []) {
      sources.push({ name: freeName(name, taken), kind, why, options })
      const file = variable === undefined ? undefined : fileOf.get(variable)
      if (file !== undefined) envFiles.add(file)
    }
    others.push(...(found?.others ?? []).map(other => ({ ...other, planned: false })))
    passedOver.push(...(found?.passedOver ?? []))
  }
  const unsupported = [
    ...unsupportedDatabases(databases),
    ...(await findWranglerBindings(folder)),
    ...unsupportedServices(services),
  ]
  return { sources, others: [...unsupported, ...others], envFiles: [...envFiles], passedOver }
}

function freeName(wanted: string, taken: Set<string>): string {
  const clean =
    wanted
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 40) || 'data'
  let name = clean
  for (let count = 2; taken.has(name); count++) name = `${clean}-${count}`
  taken.add(name)
  return name
}
