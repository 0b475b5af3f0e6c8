import type { ZodObject, ZodType } from 'zod'
import type { Trust } from '../base/believed-file.ts'
import type { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'
import type { BackupType } from '../model/manifest.ts'
import type { MaskedColumn } from '../model/masking/outcome.ts'
import type { Mask } from '../model/masking/rules.ts'
import type { RecoveryTarget } from '../model/recovery-target.ts'
import type { CheckOutcome } from '../model/report.ts'
import type { Capture, CaptureRequest } from './capture.ts'
import type { Comparing } from './comparing.ts'
import type { DatabaseSelection, DeleteRequest, SourceContext } from './context.ts'
import type { Found, Surroundings } from './discovery.ts'
import type { LogFormat } from './log-format.ts'
import type { MergingPlace } from './merging-place.ts'
import type { RecoveryRequest } from './recovery-request.ts'
import type { RestoredBytes, SnapshotReader } from './snapshot-reader.ts'
import type { SourceLog } from './source-log.ts'
import type { Change, CreatedObject, Kept, LastLook, TargetAccess } from './target.ts'

export type { CheckOutcome } from '../model/report.ts'
export type {
  Capture,
  CaptureEntry,
  CaptureRequest,
  CaptureSummary,
  Content,
  Cut,
  FilePiece,
  ParentSnapshot,
  ZeroRun,
} from './capture.ts'
export type { ComparedSide, Comparing, ComparingRequest } from './comparing.ts'
export type { DatabaseSelection, DeleteRequest, SourceContext } from './context.ts'
export type { Found, NamedDatabase, NamedService, Surroundings } from './discovery.ts'
export type { BaseChoice, BaseWish, LogCoverage, LogFormat, LogReader, LogWords } from './log-format.ts'
export type { Adding, Dialect, MergingPlace, Staging } from './merging-place.ts'
export type { LogFetch, RecoveryRequest } from './recovery-request.ts'
export type { FileToRestore, RestoredBytes, SnapshotEntry, SnapshotReader } from './snapshot-reader.ts'
export type { LogArchiver, LogHold, LogReceiving, LogState, SourceLog } from './source-log.ts'
export type {
  Change,
  ChangedTables,
  CreatedObject,
  Held,
  Kept,
  KeptRequest,
  LastLook,
  Settled,
  SurplusSummary,
  SwapAccess,
  TargetSurvey,
  Written,
} from './target.ts'

/**
 * One thing we protect. An adapter turns it into a tree of files (capture) and such a tree back into it (restore).
 * Every adapter passes `test/contracts/source-contract.ts`.
 */
export interface Source {
  readonly name: string
  readonly kind: string
  readonly traits: SourceTraits
  /** The places that it restores to. */
  readonly targets: TargetAccess
  /** The continuous log of a source that has one: with it, every moment between two captures can be recovered. */
  readonly log?: SourceLog | undefined
  /** For sources of tables: how their snapshots are merged into what is there. */
  readonly merging?: Merging | undefined
  /** For sources of tables: how their rows are compared between two moments. */
  readonly comparing?: Comparing | undefined

  /** Is it reachable and fit to be captured? Problems are findings; throws only when it could not look. */
  probe(context: SourceContext): Promise<Finding[]>

  /** The time by the source's own clock; absent where that is this machine's. */
  readClock?(context: Pick<SourceContext, 'signal'>): Promise<Date>

  /** A capture is to come: starts what takes a while to start, so that it is ready by then. `close` ends what is left. */
  prepareCapture?(context: Pick<SourceContext, 'signal'>): void

  /**
   * Begins to read the source as of one instant, which is over when this resolves: several sources begin together, and
   * `entries` reads one after the other. The caller closes the capture, also after a failure.
   */
  capture(request: CaptureRequest): Promise<Capture>

  /** Writes a captured tree back. */
  restore(request: RestoreRequest): Promise<RestoreOutcome>

  /** For sources whose copies need a server: one for a single copy, which can be asked when it is restored there. */
  openQuerySandbox?(request: QuerySandboxRequest): Promise<QuerySandbox>

  /**
   * Reads all of a snapshot as a restore would, and holds it to its manifest. A source without it is verified by a
   * restore into a folder that is thrown away.
   */
  verify?(request: VerifyRequest): Promise<VerifyOutcome>

  close(): Promise<void>
}

export interface SourceTraits {
  readonly consistency: 'transactional' | 'per-file'
  readonly types: readonly BackupType[]
  /**
   * How what a swap took away is put back later. `snapshot`: from a safety recovery point, which is cheap and keeps no
   * second copy beside. `kept`: what was there stays beside, under another name, for it costs nothing to keep it.
   */
  readonly wayBack: 'snapshot' | 'kept'
  /** Of URLs that it can restore to, beside paths: `postgres`. */
  readonly targetSchemes: readonly string[]
  /** Of which parts one alone can come back. */
  readonly parts: readonly PartKind[]
  /** How a restore can change what is at its target. */
  readonly changes: readonly ChangeKind[]
  /**
   * Of those that swap and rewrite in place: when the latter is done if a person forces it. Only where what differs is
   * written, or always.
   */
  readonly rewrites?: 'only-delta' | 'always' | undefined
  /** Can it replace values on the way, so that what a mask covers is never written? */
  readonly masks: boolean
  /**
   * Whose statements its copies may run. `sandboxed`: anybody's, for they can reach nothing but the copy. `trusted`: only
   * those of the configuration, for they run with the rights of the connection. `none`: it does not understand SQL.
   */
  readonly queries: 'sandboxed' | 'trusted' | 'none'
}

/**
 * `create`: makes it where nothing is. `swap`: makes the new one beside, and exchanges the two in one step, with what was
 * there kept; then `targets` has `SwapAccess`. `in-place`: writes into what is there, made safe before. `rows`: replaces
 * rows of tables in one transaction. `delete`: in place, removes what the snapshot has not where it is told to.
 */
export type ChangeKind = 'create' | 'swap' | 'in-place' | 'rows' | 'delete'

export type PartKind = 'paths' | 'tables' | 'schemas' | 'databases'

// ---- restore

export interface RestoreRequest extends SourceContext {
  readonly snapshot: SnapshotReader
  /** An absolute path, or a URL of one of `traits.targetSchemes`. */
  readonly target: string
  /** The target exists and may be changed. Without it an existing target is `target-exists`. */
  readonly force: boolean
  /** Where the target exists: rewrite only what differs. */
  readonly delta: boolean
  /** Run the source's own checks on what was restored (default). */
  readonly checks: boolean
  /** Restore only these paths (and what is under them); empty means all. */
  readonly include: readonly string[]
  /** For sources with a log: how far to replay it. Undefined: the moment of the snapshot. */
  readonly recovery?: RecoveryRequest | undefined
  /** What only sources of this kind are told, by its definition's `restoreOptions`. */
  readonly own?: unknown
  /** For sources of databases: which part of the snapshot comes back. */
  readonly selection?: DatabaseSelection | undefined
  /**
   * Called once, right before the target changes or comes to be: what can be done beside it is done and checked by then.
   * What it throws ends the restore, and the target is as it was.
   */
  readonly beforeChange?: ((change: Change) => Promise<void>) | undefined
  /** Called after `beforeChange`: what was made safe by then may be older than what is there now. */
  readonly lastLook?: LastLook | undefined
  /**
   * Called for each whole copy, before it takes anybody's place; with `checks`, only for one that passed them. The outcomes
   * join those of the source's own checks: one that failed keeps the copy from its place. A folder is written where it
   * belongs, and asked there; a cluster is asked only by `verify`, which starts a server on it.
   */
  readonly onRestored?: OnRestored | undefined
  /**
   * Replace values on the way, so that what the mask covers is never written to the target. Only given to a source that
   * masks; one that can't together with the rest of the request throws `unsupported`.
   */
  readonly mask?: Mask | undefined
  /**
   * With tables selected (none: no rows at all): what a restore that is taken back made is dropped, in the same
   * transaction. Rows in it must have been made safe.
   */
  readonly takeAway?: readonly CreatedObject[] | undefined
  /**
   * Of a folder: takes back what a restore of this snapshot, with the same `include`, wrote into it, and nothing else.
   * What it made where nothing was goes.
   */
  readonly brought?: SnapshotReader | undefined
  /** Together with `brought`, of a restore that removed what it had not: paths of this snapshot were changed by it too. */
  readonly removed?: SnapshotReader | undefined
  /**
   * Of a folder: remove what the snapshot has not, within `include`. A swap does so anyway. Only asked of sources with `delete` among
   * their changes.
   */
  readonly delete?: DeleteRequest | undefined
  /** Keep what a swap takes away, in one piece beside the target, under a name made from this: see `SwapAccess`. */
  readonly keepAs?: string | undefined
}

export interface VerifyRequest extends SourceContext {
  readonly snapshot: SnapshotReader
  /** Not only read it: really restore it, into something that is thrown away. */
  readonly restore: boolean
  /** With `restore`: as in `RestoreRequest`. */
  readonly onRestored?: OnRestored | undefined
}

export type OnRestored = (copy: RestoredCopy) => Promise<readonly CheckOutcome[]>

/** Restored data that nobody uses yet, as long as it can be looked at. */
export interface RestoredCopy {
  /** Absolute path of the file or folder; undefined for databases of a server. */
  readonly path?: string | undefined
  /** Of a server's database, for programs that look at it. */
  readonly server?: RestoredServer | undefined
  /** Asks it by SQL; undefined where there is none to ask. */
  readonly query?: ((question: CopyQuestion) => Promise<CopyAnswer>) | undefined
}

export interface RestoredServer {
  /** Of the database that is meant where none is named; without a password. */
  readonly url: string
  readonly password: Secret | undefined
  /** Names as they were captured: what can be asked in this copy. */
  readonly databases: readonly string[]
  /** The one that is meant where none is named; need not be in this copy. */
  readonly defaultDatabase: string
}

/** One statement, run so that it can change nothing. */
export interface CopyQuestion {
  readonly sql: string
  /** Of a server; default its `defaultDatabase`. */
  readonly database?: string | undefined
  /** At most so many rows; no more of them are computed than it takes. */
  readonly limit: number
  readonly timeoutMs: number
}

export interface QuerySandboxRequest extends SourceContext {
  readonly snapshot: SnapshotReader
  /** Of a snapshot of several: the one to ask; default the first. */
  readonly database?: string | undefined
}

/** Where a copy is restored to, so that anybody's statements can be run on it: they reach nothing else. */
export interface QuerySandbox {
  /** With `force` and `selection`: what the restore is to be told. */
  readonly target: string
  readonly selection: DatabaseSelection
  /** When it is restored; nothing can be restored to it afterwards. */
  query(question: CopyQuestion): Promise<CopyAnswer>
  /** Removes all of it. */
  close(): Promise<void>
}

/** What a statement gave, or why it gave nothing, in words. */
export type CopyAnswer = CopyRows | { readonly problem: string }

export interface CopyRows {
  /** Names; two may be the same. */
  readonly columns: readonly string[]
  readonly rows: ReadonlyArray<readonly CopyValue[]>
  /** There were more rows than `limit`, or than an answer holds. */
  readonly more: boolean
}

/** As the engine gives it; text where there is nothing nearer. Null: SQL's NULL. */
export type CopyValue = string | number | bigint | Uint8Array | null

export interface VerifyOutcome {
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  readonly bytesRead: number
}

export interface RestoreOutcome extends RestoredBytes {
  readonly target: string
  readonly files: number
  readonly checks: readonly CheckOutcome[]
  readonly findings: readonly Finding[]
  readonly started?: StartedServer | undefined
  /** Something of the snapshot did not come back as it was, which the findings name: the run ends with exit code 3. */
  readonly leftOut?: boolean | undefined
  /** With `mask`: each column that has a rule. */
  readonly masked?: readonly MaskedColumn[] | undefined
  /** With `keepAs`: what had the target's place before. */
  readonly kept?: readonly Kept[] | undefined
}

/** A server that was started on a restored copy, and the moment that its recovery reached. */
export interface StartedServer {
  readonly port: number
  /** Folder of its Unix-domain socket. */
  readonly socketDir: string
  readonly logFile: string
  readonly timeline: number
  /** Position up to which the log was replayed; undefined where there was none to replay. */
  readonly reachedLsn: string | undefined
  /** Commit time of the last transaction that was replayed. */
  readonly lastCommitAt: Date | undefined
}

// ---- merge

/**
 * A source whose snapshots can be merged into a living database. The backup is brought back into a place of its own; its
 * rows are copied into work tables on the target's connection; from there on all is SQL on that one connection, so values
 * never leave the engine, memory does not grow with the data, and every engine follows the same statements.
 */
export interface Merging {
  /**
   * Brings the snapshot back beside the target and connects. Nothing of the target is changed or locked. Throws
   * `target-invalid`, `source-unreachable`, `unsupported` for snapshots that hold no rows to merge, ... The caller closes.
   */
  open(request: MergingRequest): Promise<MergingPlace>
}

export interface MergingRequest extends SourceContext {
  readonly snapshot: SnapshotReader
  /** Absolute path or URL; undefined: the source itself. */
  readonly target?: string | undefined
  /** Of a snapshot of several databases: the one to merge. Default: the one that is called as the target. */
  readonly database?: string | undefined
}

// ---- how an adapter presents itself

/** What an adapter's `index.ts` exports. Light: the implementation is imported by `load`. */
export interface SourceDefinition<Options = unknown> {
  readonly kind: string
  /** One line for help and the generated reference. */
  readonly summary: string
  /** A line of a configuration, to copy: `app: { kind: sqlite, path: ./data/app.db }`. */
  readonly example: string
  /** The keys of a source of this kind in `lifeboat.yaml`, `kind` left out. Each field has a `.describe()`. */
  readonly options: ZodType<Options>
  /** Keys that are none of this kind, though people may think so: what to write instead. */
  readonly wrongKeys?: Readonly<Record<string, (value: unknown) => string>> | undefined
  /** Of a source of what is at `place`, a restore's target: with the connection of `own`, a configured source of this kind. */
  readonly optionsAt: (place: string, own: Options | undefined) => Options
  /** Is what is at `place`, a restore's target, the data that the source itself is of? Asks no server. */
  readonly isOwnPlace: (place: string, own: Options, base: SourcePlace) => Promise<boolean>
  /** Where the source's own data is, as a restore's target; undefined where only its server knows. Asks no server. */
  readonly ownPlace: (own: Options, base: SourcePlace) => string | undefined
  /** Do its sources have a log, by which the moments between their backups can be recovered? */
  readonly hasLog: boolean
  /** For the recovery sheet: what restic alone brings back of it, and what is to be done with that. */
  readonly byRestic: string
  /** How that log is written. */
  readonly logFormat?: (() => Promise<LogFormat>) | undefined
  /** What a restored copy of this kind can be held to, beside commands and HTTP calls: `sql`, or that `files` exist. */
  readonly answers?: 'sql' | 'files' | undefined
  /** Of one kind: snapshots of other programs, such as restic, come back as sources of it. */
  readonly takesForeign?: boolean | undefined
  /**
   * What a restore of this kind alone can be told: an object of flags, texts and lists of texts, each with a `description`,
   * and a `placeholder` for the command line. Flags, schema and documentation come from it.
   */
  readonly restoreOptions?: ZodObject | undefined
  /** Of sources with a log: how a moment in it is told beside by its time. */
  readonly moment?: MomentOptions | undefined
  /** With these `restoreOptions` a restored copy reaches a moment after which nothing follows in the log, too. */
  readonly reachesEnd?: ((own: unknown) => boolean) | undefined
  /** What `init` proposes as sources of this kind. Reads files of the folder, and asks no server. */
  readonly discover?: ((surroundings: Surroundings) => Promise<Found>) | undefined
  /** Programs that it works with, each with its version, and those that are missing. */
  readonly programs?:
    | ((environment: NonNullable<SourcePlace['environment']>) => Promise<readonly Program[]>)
    | undefined
  readonly load: () => Promise<SourceFactory<Options>>
}

export interface MomentOptions {
  /** As `restoreOptions`. */
  readonly options: ZodObject
  /** @param told parsed by `options` before */
  readonly partOf: (told: unknown) => MomentPart
}

/** What is told of a moment. */
export interface MomentPart {
  /** Each that is told; more than one contradict each other. */
  readonly targets: readonly RecoveryTarget[]
  /** As in `RecoveryRequest`. */
  readonly branch: string | undefined
  readonly inclusive: boolean | undefined
}

/** A program that sources of a kind work with, for `doctor`. */
export interface Program {
  readonly name: string
  /** None of them is needed by everybody. */
  readonly isFound: boolean
  readonly message: string
  readonly hint?: string
}

export type SourceFactory<Options> = (name: string, options: Options, place: SourcePlace) => Source

export interface SourcePlace {
  /** Relative paths in options are relative to this folder (the one of `lifeboat.yaml`). */
  readonly baseDir: string
  /** Of the files that options name; default: only our own and root's are believed. */
  readonly trust?: Trust | undefined
  /** For options that name variables; default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined
}

/**
 * Checks a definition against the type of its own options, and forgets that type: whoever calls what it holds has parsed
 * the options with this definition's own schema.
 */
export function defineSource<Options>(definition: SourceDefinition<Options>): SourceDefinition {
  return definition as SourceDefinition
}
