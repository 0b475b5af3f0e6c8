import { AppError } from '../../../../base/errors.ts'
import { quoteName } from '../../../../clients/postgres/index.ts'
import type { DatabaseSelection } from '../../../source.ts'
import type { TocEntry } from '../archive/toc.ts'
import { listNames } from './table-filter.ts'
import { leftBehind, NEEDED, TableNeeds } from './table-needs.ts'
import { amongTables, anyTable, displayName, matchesName, type TableName } from './table-pattern.ts'

/** What of an archive brings some tables back, given what the target has. */
export interface TableSelection {
  readonly tables: readonly TableName[]
  /** Those of them that the target lacks: they are created. */
  readonly created: readonly TableName[]
  /** Entries up to and with the data, in the archive's order. */
  readonly before: readonly TocEntry[]
  /** Those after it: partitions join a parent that is there when they have all that it has. */
  readonly after: readonly TocEntry[]
  /** What went with them, and does not come back. */
  readonly left: readonly TocEntry[]
  /** What comes last: who may do what with what was created, and what is computed from it. */
  readonly last: readonly TocEntry[]
}

/** What is in the target, as `objectKey` says it, for the kinds of `EXISTENCE`. */
export type ExistingObjects = ReadonlySet<string>

/** Each kind comes back when the target lacks it. Their tags name them as the target's catalog is asked. */
export const EXISTENCE: ReadonlySet<string> = new Set([
  'TABLE',
  'SEQUENCE',
  'INDEX',
  'VIEW',
  'MATERIALIZED VIEW',
  'CONSTRAINT',
  'FK CONSTRAINT',
  'CHECK CONSTRAINT',
  'TRIGGER',
  'RULE',
  'POLICY',
  'DEFAULT',
  'STATISTICS',
  ...NEEDED,
])
/** These come with an object that is created, and only then. */
const COMPANIONS: ReadonlySet<string> = new Set([
  'COMMENT',
  'ACL',
  'ROW SECURITY',
  'SEQUENCE OWNED BY',
  'TABLE ATTACH',
  'INDEX ATTACH',
  'SECURITY LABEL',
  'MATERIALIZED VIEW DATA',
  'PUBLICATION TABLE',
])
const BEFORE: ReadonlySet<string> = new Set([
  'TABLE',
  'SEQUENCE',
  'SEQUENCE OWNED BY',
  'DEFAULT',
  'TABLE ATTACH',
  'TABLE DATA',
  'SEQUENCE SET',
])

export function objectKey(kind: string, schema: string | undefined, tag: string): string {
  return [kind, schema ?? '', tag].join('\0')
}

/** The tables of an archive that a person asked for. Throws `not-found` for a name that fits none. */
export function chooseTables(toc: readonly TocEntry[], selection: DatabaseSelection): TableName[] {
  const all = new Map<string, TableName>()
  for (const { kind, schema, tag } of toc) {
    if ((kind === 'TABLE' || kind === 'TABLE DATA') && schema !== undefined) {
      all.set(objectKey('', schema, tag), { schema, name: tag })
    }
  }
  const { tables = [], schemas = [] } = selection
  if (tables.length + schemas.length === 0) return [...all.values()]
  const sequences = toc.flatMap(({ kind, schema, tag }) =>
    kind === 'SEQUENCE SET' && schema !== undefined ? [{ schema, name: tag }] : [],
  )
  const named = [...all.values(), ...sequences]
  const inSchemas = new Set([...new Set(named.map(({ schema }) => schema))].filter(isIn(schemas)))
  const isThere = amongTables(named)
  const missing =
    tables.find(pattern => !isThere(pattern)) ??
    schemas.find(pattern => ![...inSchemas].some(schema => matchesName(pattern, schema)))
  if (missing !== undefined) {
    throw new AppError('not-found', `the snapshot holds no table ${missing}`, {
      hint: `${listNames([...all.values()].map(displayName))} Quote them for the shell: --table '"My Shop"."Order"'.`,
    })
  }
  const isNamed = anyTable(tables)
  return withPartitions(
    toc,
    [...all.values()].filter(table => isNamed(table) || inSchemas.has(table.schema)),
  )
}

function isIn(schemas: readonly string[]): (schema: string) => boolean {
  return schema => schemas.some(pattern => matchesName(pattern, schema))
}

/** Pure: which entries to restore. A table that is there keeps its shape; what hangs on it and is gone comes back.
 * `whole`: all tables are wanted, so all sequences too; else those that are named as if they were tables. */
export function selectEntries(
  toc: readonly TocEntry[],
  tables: readonly TableName[],
  existing: ExistingObjects,
  { whole = false, sequences = [] }: { readonly whole?: boolean; readonly sequences?: readonly string[] } = {},
): TableSelection {
  const wanted = new Set(tables.map(table => objectKey('', table.schema, table.name)))
  const isWanted = (entry: TocEntry): boolean => wanted.has(objectKey('', entry.schema, entry.tag))
  const chosen = new Set<number>()
  const reached = new Set<number>()
  const created = new Set<number>()
  for (const entry of toc) if (entry.kind === 'TABLE' && isWanted(entry)) reached.add(entry.id)
  addParents(toc, existing, reached)
  addOwnSequences(toc, reached)
  for (const entry of toc) {
    if (!reached.has(entry.id)) continue
    if (exists(existing, entry)) continue
    chosen.add(entry.id)
    created.add(entry.id)
  }
  const needs = new TableNeeds(toc, entry => exists(existing, entry), new Set(created))
  const early = new Set<number>()
  addDependants({ toc, existing, needs, reached, chosen, created, early })
  const isLeft = new Set(leftBehind(toc, chosen, created, entry => exists(existing, entry)))
  // Of a table that is there its default may have gone with the function that it calls.
  for (const entry of needs.missing(reached)) if (!chosen.has(entry.id)) isLeft.add(entry)
  const isNamed = anyTable(sequences)
  const owned = ownSequences(toc, reached, tables, existing)
  for (const entry of toc) {
    if (entry.kind === 'TABLE DATA' && isWanted(entry)) chosen.add(entry.id)
    if (entry.kind !== 'SEQUENCE SET') continue
    const named = isNamed({ schema: entry.schema ?? '', name: entry.tag })
    if (whole || named || owned.has(objectKey('', entry.schema, entry.tag))) chosen.add(entry.id)
  }
  const entries = toc.filter(entry => chosen.has(entry.id))
  // One that is attached to a parent that is there gets that one's indexes at once, and its own could not be made.
  const old = new Set(toc.filter(({ kind, id }) => kind === 'TABLE' && !created.has(id)).map(({ id }) => id))
  const joins = entries.filter(
    ({ kind, dependsOn }) => /^(TABLE|INDEX) ATTACH$/.test(kind) && dependsOn.some(id => old.has(id)),
  )
  const joining = new Set(joins)
  const isEarly = (entry: TocEntry): boolean => BEFORE.has(entry.kind) || early.has(entry.id)
  const late = entries.filter(entry => !isEarly(entry) && !joining.has(entry) && !LAST.has(entry.kind))
  const needsJoined = ({ kind }: TocEntry): boolean => kind === 'FK CONSTRAINT' || kind === 'TRIGGER'
  return {
    tables,
    left: toc.filter(entry => isLeft.has(entry)),
    created: tables.filter(table => !existing.has(objectKey('TABLE', table.schema, table.name))),
    before: entries.filter(entry => isEarly(entry) && !joining.has(entry)),
    after: [
      ...late.filter(entry => !needsJoined(entry)),
      ...joins.filter(({ kind }) => kind === 'TABLE ATTACH'),
      ...joins.filter(({ kind }) => kind === 'INDEX ATTACH'),
      ...late.filter(needsJoined),
    ],
    last: entries.filter(entry => LAST.has(entry.kind)),
  }
}

const LAST: ReadonlySet<string> = new Set(['ACL', 'MATERIALIZED VIEW DATA'])

/** A partition of a partition that is gone too needs that one, empty as it comes. */
function addParents(toc: readonly TocEntry[], existing: ExistingObjects, reached: Set<number>): void {
  const tables = new Map(toc.filter(entry => entry.kind === 'TABLE').map(entry => [entry.id, entry]))
  for (let before = -1; before !== reached.size; ) {
    before = reached.size
    for (const { kind, tag, schema, dependsOn } of toc) {
      if (kind !== 'TABLE ATTACH') continue
      const ends = dependsOn.flatMap(id => tables.get(id) ?? [])
      const part = ends.find(end => end.tag === tag && end.schema === schema)
      if (part === undefined || !reached.has(part.id) || exists(existing, part)) continue
      for (const parent of ends) if (!exists(existing, parent)) reached.add(parent.id)
    }
  }
}

interface Growing {
  readonly toc: readonly TocEntry[]
  readonly existing: ExistingObjects
  readonly needs: TableNeeds
  readonly reached: Set<number>
  readonly chosen: Set<number>
  readonly created: Set<number>
  /** What is needed to make the others. */
  readonly early: Set<number>
}

/** Whatever depends on what was reached, as often as there is more: views on views, comments on indexes; and what they need. */
function addDependants(growing: Growing): void {
  const { toc, existing, needs, reached, chosen, created, early } = growing
  for (let before = -1; before !== reached.size; ) {
    before = reached.size
    for (const entry of needs.missing(chosen)) {
      early.add(entry.id)
      for (const set of [reached, chosen, created]) set.add(entry.id)
    }
    for (const entry of toc) {
      if (reached.has(entry.id) || !entry.dependsOn.some(id => reached.has(id)) || !needs.canCome(entry)) continue
      if (EXISTENCE.has(entry.kind) && entry.kind !== 'TABLE') {
        reached.add(entry.id)
        if (exists(existing, entry) || !hasItsTable(growing, entry)) continue
        chosen.add(entry.id)
        created.add(entry.id)
      } else if (
        COMPANIONS.has(entry.kind) &&
        entry.dependsOn.some(id => created.has(id)) &&
        canJoin(existing, needs, entry)
      ) {
        reached.add(entry.id)
        chosen.add(entry.id)
      }
    }
  }
}

/** A publication that is gone, or another's, is nothing that a table could be added to. */
function canJoin(existing: ExistingObjects, needs: TableNeeds, { kind, dependsOn }: TocEntry): boolean {
  if (kind !== 'PUBLICATION TABLE') return true
  const publication = needs.entries(dependsOn).find(each => each.kind === 'PUBLICATION')
  return publication !== undefined && existing.has(objectKey('PUBLICATION', undefined, publication.tag))
}

const ON_TABLES: ReadonlySet<string> = new Set(['CONSTRAINT', 'FK CONSTRAINT', 'TRIGGER', 'RULE', 'POLICY', 'DEFAULT'])

/** A foreign key of another table can only come back where that table is. */
function hasItsTable({ existing, needs, created }: Growing, entry: TocEntry): boolean {
  if (!ON_TABLES.has(entry.kind)) return true
  return needs
    .entries(entry.dependsOn)
    .filter(each => each.schema === entry.schema && entry.tag.startsWith(`${each.tag} `))
    .some(
      table =>
        created.has(table.id) ||
        (['TABLE', 'VIEW', 'MATERIALIZED VIEW'].includes(table.kind) && exists(existing, table)),
    )
}

function exists(existing: ExistingObjects, entry: TocEntry): boolean {
  return existing.has(objectKey(entry.kind, entry.schema, entry.tag))
}

/**
 * `SEQUENCE OWNED BY` depends on the sequence and its table, the sequence itself on nothing. A table or a default that
 * calls `nextval` of a sequence that nobody owns depends on it.
 */
function addOwnSequences(toc: readonly TocEntry[], reached: Set<number>): void {
  const sequences = new Set(toc.filter(entry => entry.kind === 'SEQUENCE').map(entry => entry.id))
  for (const entry of toc) {
    const calls = reached.has(entry.id) || (entry.kind === 'DEFAULT' && entry.dependsOn.some(id => reached.has(id)))
    if (calls) for (const id of entry.dependsOn) if (sequences.has(id)) reached.add(id)
  }
  for (const entry of toc) {
    if (entry.kind !== 'SEQUENCE OWNED BY' || !entry.dependsOn.some(id => reached.has(id))) continue
    for (const id of entry.dependsOn) reached.add(id)
  }
}

/** By the archive, or by the target: an archive of rows alone does not say which sequence is whose. */
function ownSequences(
  toc: readonly TocEntry[],
  reached: ReadonlySet<number>,
  tables: readonly TableName[],
  existing: ExistingObjects,
): Set<string> {
  const own = toc.filter(({ kind, id }) => kind === 'SEQUENCE' && reached.has(id))
  const owners = new Set(tables.map(({ schema, name }) => `OWNED BY ${quoteName(schema, name)}`))
  const owned = [...existing].map(key => key.split('\0')).filter(([kind = '']) => owners.has(kind))
  return new Set([
    ...own.map(({ schema, tag }) => objectKey('', schema, tag)),
    ...owned.map(([, schema, tag = '']) => objectKey('', schema, tag)),
  ])
}

function withPartitions(toc: readonly TocEntry[], tables: readonly TableName[]): TableName[] {
  const byId = new Map(toc.filter(entry => entry.kind === 'TABLE').map(entry => [entry.id, entry]))
  const found = new Map(tables.map(table => [objectKey('', table.schema, table.name), table]))
  for (let before = -1; before !== found.size; ) {
    before = found.size
    for (const attach of toc.filter(entry => entry.kind === 'TABLE ATTACH')) {
      const ends = attach.dependsOn.map(id => byId.get(id)).filter(entry => entry !== undefined)
      const part = ends.find(entry => entry.tag === attach.tag && entry.schema === attach.schema)
      const parent = ends.find(entry => entry !== part)
      if (!part?.schema || !parent || !found.has(objectKey('', parent.schema, parent.tag))) continue
      found.set(objectKey('', part.schema, part.tag), { schema: part.schema, name: part.tag })
    }
  }
  return [...found.values()]
}
