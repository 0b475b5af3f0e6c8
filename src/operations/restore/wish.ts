import { AppError } from '../../base/errors.ts'
import type { RecoveryTarget } from '../../model/recovery-target.ts'
import type { DatabaseSelection, PartKind, Source } from '../../sources/source.ts'
import type { SnapshotWish } from '../snapshots/find-snapshot.ts'
import type { Strategy } from './journal.ts'
import { URL_FORM } from './reserved.ts'

/** What somebody wants to have back, and how. All of it is plain data. */
export interface RestoreWish {
  /** Undefined: a snapshot of any source, or of another program. It is named by its id then. */
  readonly source: string | undefined
  /** Which recovery point. Default: the newest, or the one that reaches `moment`. */
  readonly point?: SnapshotWish | undefined
  /** For a source with a log: up to where it is replayed. Default: the moment of the recovery point. */
  readonly moment?: Moment | undefined
  /** Only from this repository. */
  readonly repository?: string | undefined
  /** A snapshot of this host. Default: this machine's, if it has any. */
  readonly host?: string | undefined
  /** An absolute path, or a URL. Default: as `target` says. */
  readonly to?: string | undefined
  /** `own` (default): the place of the source. `test`: its test place, or a temporary one that is removed after. */
  readonly target?: 'own' | 'test' | undefined
  /** Leave a temporary copy where it is. */
  readonly keep?: boolean | undefined
  /** `merge`: keep what is there, and add what only the recovery point has. Default: `replace`. */
  readonly strategy?: 'replace' | 'merge' | undefined
  /** Write into what is there instead of replacing it in one step. */
  readonly inPlace?: boolean | undefined
  /** In place: only what differs. Default true. */
  readonly delta?: boolean | undefined
  /** Of a folder: remove what the recovery point has not, within `include`. */
  readonly delete?: boolean | undefined
  /** Run the source's checks on what was restored. Default true. */
  readonly checks?: boolean | undefined
  /** Hold it to the source's assertions too; test copies always are. */
  readonly verify?: boolean | undefined
  /** Only these paths, and what is below them. */
  readonly include?: readonly string[] | undefined
  /** Of a database: only this part of it. */
  readonly selection?: DatabaseSelection | undefined
  /** A mask file. Default: for test copies the source's, else none. */
  readonly mask?: string | undefined
  /** Compare the rows at the target with those that come (default), or only count them: nobody waits to read it. */
  readonly account?: 'rows' | 'counts' | undefined
  /** Wait, for hours, until what is archived can be read. Default: ask for it, and end. */
  readonly waitForArchive?: boolean | undefined
  /** What only sources of its kind are told: see `restoreOptions` of their definition. */
  readonly own?: Readonly<Record<string, unknown>> | undefined
}

export interface Moment {
  readonly target: RecoveryTarget
  /** Of the log: a number, `current`, or `latest` (default). */
  readonly branch?: string | undefined
  /** Stop just after the moment (default) or just before it. */
  readonly inclusive?: boolean | undefined
}

/** The part in words, or undefined for all: `table product`, `2026/photo.jpg`, `the schema`. */
export function partName({ include = [], selection = {} }: RestoreWish): string | undefined {
  const { databases = [], tables = [], schemas = [], part } = selection
  const rows = part === undefined ? [] : [part === 'schema' ? 'the schema' : 'the rows']
  const named = [...include, ...listed('database', databases), ...listed('schema', schemas), ...listed('table', tables)]
  const all = [...rows, ...named]
  return all.length === 0 ? undefined : all.join(', ')
}

function listed(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`${what}${names.length === 1 ? '' : 's'} ${names.join(', ')}`]
}

/** A part that came back proves nothing of the rest. */
export function isWhole(wish: RestoreWish): boolean {
  return partName(wish) === undefined
}

/** How the target is changed: in one step, unless only a part comes back or somebody wants it rewritten in place. */
export function strategyOf(wish: RestoreWish, source: Source, target: string): Strategy {
  requireParts(wish, source)
  if (wish.delete === true) requireDeletes(wish, source)
  if (wish.strategy === 'merge') return 'merge'
  const { include = [], selection: { tables = [], schemas = [], part } = {} } = wish
  const rowsInto = part === 'data' && !target.toLowerCase().endsWith('.sql')
  if (rowsInto || tables.length + schemas.length > 0) return 'tables'
  if (include.length > 0) return 'in-place'
  const { changes, rewrites } = source.traits
  if (!changes.includes('swap')) return 'in-place'
  // Databases of a server are always made beside; and a file that is written anew is swapped.
  const canRewrite = changes.includes('in-place') && !URL_FORM.test(target)
  const isRewritten = wish.inPlace === true && canRewrite && (rewrites === 'always' || wish.delta !== false)
  return isRewritten ? 'in-place' : 'replace'
}

/** A database is always replaced as a whole, or row by row in tables that are named. */
function requireDeletes({ strategy }: RestoreWish, { kind, traits }: Source): void {
  if (strategy === 'merge') {
    throw new AppError('usage', '--delete and --strategy merge exclude each other: a merge keeps what is there', {
      hint: 'Leave out one of them.',
    })
  }
  if (traits.changes.includes('delete')) return
  throw new AppError(
    'unsupported',
    `--delete is for folders: a restore of kind ${kind} leaves nothing beside what it brings`,
    {
      hint: 'Leave out --delete.',
    },
  )
}

const FLAGS: Readonly<Record<PartKind, string>> = {
  schemas: '--schema',
  tables: '--table',
  databases: '--database',
  paths: '--include',
}

/** A part that a kind does not have must not come to mean all of it. */
function requireParts({ include = [], selection = {} }: RestoreWish, { kind, traits }: Source): void {
  const { schemas = [], tables = [], databases = [] } = selection
  const wanted = Object.entries({ schemas, tables, databases, paths: include } satisfies Record<PartKind, unknown>)
  const [wrong] = wanted.flatMap(([part, names]) =>
    names.length > 0 && !traits.parts.includes(part as PartKind) ? [part as PartKind] : [],
  )
  if (wrong === undefined) return
  const [first] = traits.parts
  throw new AppError('usage', `${FLAGS[wrong]} does not fit a source of kind ${kind}: it has no ${wrong}`, {
    hint: first === undefined ? 'It comes back whole.' : `Name what you want with ${FLAGS[first]}.`,
  })
}
