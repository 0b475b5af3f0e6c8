import { policyRoles } from '../sql-text.ts'
import type { TocEntry } from './toc.ts'

/** What a server lets the restoring role do, as far as an archive may need it. */
export interface ServerRights {
  readonly superuser: boolean
  /** Extensions that the role may create. */
  readonly extensions: ReadonlySet<string>
  readonly roles: ReadonlySet<string>
  readonly tablespaces: ReadonlySet<string>
  /** May create subscriptions (`pg_create_subscription`). */
  readonly subscriptions: boolean
}

/** An entry that can't come back, or not as it was. */
export interface UnmetNeed {
  readonly entry: TocEntry
  /** `only a superuser may create it`. */
  readonly why: string
  /** Tables that hang on it: without it, they don't come back. */
  readonly tables: readonly TocEntry[]
  /** It comes back without these roles. */
  readonly without?: readonly string[]
}

/** Kinds that run code of the server's own, or see all of it. */
const SUPERUSERS: ReadonlySet<string> = new Set([
  'EVENT TRIGGER',
  'FOREIGN DATA WRAPPER',
  'ACCESS METHOD',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
  'PROCEDURAL LANGUAGE',
  'PUBLICATION TABLES IN SCHEMA',
])
/** Functions in `c` and `internal` are the server's code; a language whose name ends in u does what it wants. */
const UNTRUSTED = /^(?:c|internal|"?\w+u"?)$/
const ONLY_SUPERUSER = 'only a superuser may create it'

/** Pure: what of an archive the role can't bring back, in the archive's order, each with the tables that need it. */
export function unmetNeeds(toc: readonly TocEntry[], rights: ServerRights): UnmetNeed[] {
  const needs: UnmetNeed[] = []
  for (const entry of toc) {
    const why = rights.superuser ? undefined : superuserFor(entry, rights)
    if (why !== undefined) needs.push({ entry, why, tables: tablesOn(toc, entry) })
    else if (entry.kind === 'POLICY') needs.push(...policyNeed(entry, rights))
  }
  return needs
}

function superuserFor({ kind, tag, definition = '', language }: TocEntry, rights: ServerRights): string | undefined {
  if (SUPERUSERS.has(kind)) return ONLY_SUPERUSER
  if (kind === 'EXTENSION') return rights.extensions.has(tag) ? undefined : ONLY_SUPERUSER
  if (kind === 'SUBSCRIPTION' && !rights.subscriptions) return ONLY_SUPERUSER
  if (kind === 'PUBLICATION' && / FOR (?:ALL TABLES|TABLES IN SCHEMA)/.test(definition)) return ONLY_SUPERUSER
  if (kind === 'CAST' && / WITHOUT FUNCTION/.test(definition)) return ONLY_SUPERUSER
  if (language !== undefined && UNTRUSTED.test(language)) return `${ONLY_SUPERUSER} in the language ${language}`
  return undefined
}

/** Whatever hangs on it, directly or not. */
function tablesOn(toc: readonly TocEntry[], entry: TocEntry): TocEntry[] {
  const reached = new Set([entry.id])
  for (let before = -1; before !== reached.size; ) {
    before = reached.size
    for (const each of toc) if (each.dependsOn.some(id => reached.has(id))) reached.add(each.id)
  }
  return toc.filter(each => each.kind === 'TABLE' && reached.has(each.id))
}

function policyNeed(entry: TocEntry, { roles }: ServerRights): UnmetNeed[] {
  const named = policyRoles(entry.definition ?? '')
  const missing = named.filter(role => !roles.has(role))
  if (missing.length === 0) return []
  const why = `it is for ${missing.join(', ')}, which the server lacks`
  return [{ entry, why, tables: [], ...(missing.length < named.length ? { without: missing } : {}) }]
}

/** Pure: tablespaces that an archive names and the server lacks. */
export function missingTablespaces(toc: readonly TocEntry[], there: ReadonlySet<string>): string[] {
  const named = toc.flatMap(entry => entry.tablespace ?? [])
  return [...new Set(named)].filter(name => !there.has(name)).toSorted()
}
