import { decodeName } from '../../../../base/bytes.ts'
import type { Finding } from '../../../../model/finding.ts'
import { createsRoles } from '../../restore-options.ts'
import type { TocEntry } from '../archive/toc.ts'
import { fileName, GLOBALS_FILE } from '../plan.ts'
import { createRoles, missingRoles, rolesFinding, ungrantableOwners } from '../roles.ts'
import { policyRoles, rolesIn } from '../sql-text.ts'
import type { TableSelection } from '../tables/table-selection.ts'
import type { DatabaseRestore } from './database-restore.ts'
import { largeObjectEntries } from './large-objects.ts'
import { splitGrants } from './mending-roles.ts'

export interface LackingRoles {
  /** Not there: nothing can be granted to them. */
  readonly missing: ReadonlySet<string>
  /** Those, and others that we may not give anything to. */
  readonly owners: ReadonlySet<string>
}

/** Of the roles that a database's schema names, once those were created that can be. */
export async function lackingRoles({ admin, archives, database, request }: DatabaseRestore): Promise<LackingRoles> {
  const schema = await archives.readText(`${fileName(database.name)}.schema.sql`)
  const needed = [...new Set([...rolesIn(schema), database.owner])]
  let missing = await missingRoles(admin, [...new Set([...needed, ...policyRoles(schema)])])
  const globals = await archives.readText(GLOBALS_FILE)
  if (missing.length > 0 && createsRoles(request.own)) missing = await createRoles(admin, globals, missing)
  // A policy can do without some of its roles, and is told by itself where it can't.
  const lacking = new Set(needed.filter(role => missing.includes(role)))
  return { missing: lacking, owners: new Set([...lacking, ...(await ungrantableOwners(admin, needed))]) }
}

/** Those that a restore of tables has to do without, in one transaction in which no statement may fail. */
export function lackingFinding(
  { target, archives }: Pick<DatabaseRestore, 'target' | 'archives'>,
  toc: readonly TocEntry[],
  { before, after, last }: TableSelection,
  { missing, owners }: LackingRoles,
): Finding[] {
  const entries = [...before, ...after, ...last, ...largeObjectEntries(toc)]
  const lost = new Set<string>()
  for (const entry of entries) {
    if (entry.kind === 'ACL') for (const role of rolesIn(entry.definition ?? '')) if (missing.has(role)) lost.add(role)
    if (OWNED.has(entry.kind) && owners.has(entry.owner)) lost.add(entry.owner)
  }
  if (lost.size === 0) return []
  return [rolesFinding(`database ${target}`, [...lost].toSorted(), archives.has(GLOBALS_FILE))]
}

/** What is given to its owner when it is made; all else belongs to whoever has its table. */
const OWNED: ReadonlySet<string> = new Set([
  'TABLE',
  'SEQUENCE',
  'VIEW',
  'MATERIALIZED VIEW',
  'SCHEMA',
  'TYPE',
  'DOMAIN',
  'FUNCTION',
  'PROCEDURE',
  'AGGREGATE',
  'STATISTICS',
  'BLOB',
  'BLOB METADATA',
])

/** Entries in runs that keep their order: whether what is in a run can be given to its owners. */
export function byOwners(
  entries: readonly TocEntry[],
  { owners }: LackingRoles,
): Array<{ readonly given: boolean; readonly entries: TocEntry[] }> {
  const runs: Array<{ given: boolean; entries: TocEntry[] }> = []
  for (const entry of entries) {
    const last = runs.at(-1)
    const given = OWNED.has(entry.kind) ? !owners.has(entry.owner) : (last?.given ?? true)
    if (last?.given === given) last.entries.push(entry)
    else runs.push({ given, entries: [entry] })
  }
  return runs
}

const BY_ANOTHER = /^SET SESSION AUTHORIZATION ("(?:[^"]|"")+"|\S+);$/

/** Pure: the statements of an entry about rights that name none of them. Undefined where that is all of it. */
export function grantsWithout({ definition = '' }: TocEntry, { missing, owners }: LackingRoles): string[] | undefined {
  const statements = splitGrants(definition)
  const kept: string[] = []
  let isLeft = false
  for (const statement of statements) {
    const [, grantor] = BY_ANOTHER.exec(statement) ?? []
    if (grantor !== undefined) isLeft = owners.has(grantor.replace(/^"|"$/g, '').replaceAll('""', '"'))
    if (!isLeft && !rolesIn(statement).some(role => missing.has(role))) kept.push(statement)
    if (statement === 'RESET SESSION AUTHORIZATION;') isLeft = false
  }
  return kept.length === statements.length ? undefined : kept
}

/** Of a line about one large object. */
export function isGrantTo(line: Buffer, { missing }: LackingRoles): boolean {
  return (
    /^(?:GRANT|REVOKE) /.test(line.toString('latin1', 0, 7)) &&
    rolesIn(decodeName(line)).some(role => missing.has(role))
  )
}
