import type { Finding } from '../model/finding.ts'
import type { Manifest, ManifestTable } from '../model/manifest.ts'
import type { DatabaseSelection, DeleteRequest, SourceContext } from './context.ts'
import type { SnapshotReader } from './snapshot-reader.ts'

/** What an adapter tells of, and does at, a place that a restore changes. */
export interface TargetAccess extends Partial<SwapAccess> {
  /** Looks at what is there. Changes nothing, waits for nobody. What a restore would stumble on is findings. */
  survey(request: TargetRequest): Promise<TargetSurvey>
  /** Removes what is at a target that was only there for a while. Nothing there is no error. */
  remove(request: TargetRequest): Promise<void>
  /**
   * What each commit of an application changes, as text: equal at two moments, the target holds what it held. Undefined
   * where it can't be told. Left out by those that can never tell.
   */
  stateOf?(request: TargetRequest): Promise<string | undefined>
  /**
   * What was written to a target since a restore changed it, by tables or files; none: nothing. Undefined where that can't
   * be told. Changes nothing, waits for nobody. Left out by those that can never tell.
   */
  writtenSince?(request: WrittenRequest): Promise<readonly Written[] | undefined>
  /**
   * After a restore was killed: the target is made one or the other where that takes no repository. Whatever of it is
   * still at work (a server's session outlives its client) is ended first. Safe to repeat. Of a target that did not exist
   * before the restore nothing is kept, so it is `untouched` whether it was made or not: whether it exists says it.
   * Left out by those that can't tell: what was being changed counts as half-written then.
   */
  settle?(request: KeptRequest): Promise<Settled>
}

/**
 * Of a source with `swap` among its `traits.changes`. A restore that swaps keeps what was there under a name made from
 * `keepAs`, until the caller has decided: `dropKept` or `putBack`. A caller that was killed in between calls `settle` when
 * it is back.
 */
export interface SwapAccess {
  /**
   * Puts what a swap kept into the target's place again, in one step. What is there now is removed, or kept under the name
   * that `keepNowAs` makes. Throws `not-found` when nothing is kept, `target-in-use`, ...
   */
  putBack(request: PutBackRequest): Promise<readonly Kept[]>
  /** Removes what a swap kept. Nothing there is no error. */
  dropKept(request: KeptRequest): Promise<void>
}

/** Where swapping is one of the ways: then a killed swap can always be settled. */
export type SwappingTargets = TargetAccess & SwapAccess & Required<Pick<TargetAccess, 'settle' | 'writtenSince'>>

export interface TargetRequest extends SourceContext {
  /** As in `RestoreRequest`. */
  readonly target: string
  readonly selection?: DatabaseSelection | undefined
  /** As in `RestoreRequest`. */
  readonly own?: unknown
  /** As in `RestoreRequest`: rewritten in place, so that no second copy needs room beside it. */
  readonly delta?: boolean | undefined
  readonly coming?: ComingSnapshot | undefined
  /** As in `RestoreRequest`, with its `include`: what would go is to be told. */
  readonly delete?: (DeleteRequest & { readonly include: readonly string[] }) | undefined
}

/** What is to be restored. */
export interface ComingSnapshot {
  /** Its id. */
  readonly snapshot?: string | undefined
  /** For the free space. */
  readonly sizeBytes: number | undefined
  /** For what it can't be restored to. */
  readonly engineVersion: string | undefined
  /** For what it needs of the target: databases, extensions, the cluster that it is of. */
  readonly manifest?: Manifest | undefined
  /** Its files, for what only they say. */
  readonly openReader?: (() => Promise<SnapshotReader>) | undefined
}

export interface KeptRequest extends TargetRequest {
  /** The `keepAs` of the restore. */
  readonly keptAs: string
  /** What its plan said that it may change: nothing else is touched. */
  readonly places?: readonly string[] | undefined
  /** Of the change that `beforeChange` was told of, if any. */
  readonly token?: string | undefined
}

/** What a restore is about to do to its target. */
export interface Change {
  /** Each place that will change or come to be, named as the survey names them. Nothing else changes. */
  readonly places: readonly string[]
  /**
   * Where the change leaves nothing behind that shows whether it was made (rows replaced in one transaction): the
   * transaction's id. `settle` can tell by it.
   */
  readonly token?: string | undefined
  /**
   * Called when the application was stopped, before what is there is made safe: from then on nobody else can write what
   * the change replaces. Without it the change itself keeps the very last state (a swap that keeps what it takes away).
   * Gives what is not known before.
   */
  readonly hold?: (() => Promise<Held>) | undefined
  /** Of a change of rows: what it changes. All else of the target stays. */
  readonly tables?: ChangedTables | undefined
}

/** As in `Change`. */
export interface Held {
  readonly token?: string | undefined
  readonly tables?: ChangedTables | undefined
}

export interface ChangedTables {
  /** Tables that are there, as `DatabaseSelection.tables` names them, whose rows are replaced or merged into. */
  readonly changed: readonly string[]
  /** What comes to be, in that order: taking the change back drops it. */
  readonly created: readonly CreatedObject[]
}

export interface CreatedObject {
  /** As the engine calls it: `table`, `FK CONSTRAINT`. */
  readonly kind: string
  readonly schema?: string | undefined
  /** For what hangs on a table: `film film_pkey`. */
  readonly name: string
}

export interface WrittenRequest extends KeptRequest {
  /** Only what the restore changed and made. */
  readonly tables?: ChangedTables | undefined
  /** Of a folder that was written into: what came, and which paths of it (empty: all). */
  readonly files?: WrittenFiles | undefined
  /** When the restore ended. */
  readonly since: Date
  /** What the restore brought, if that is known. */
  readonly brought: Manifest | undefined
}

/** `removed`: what was there before a restore that removed what its snapshot has not. */
export interface WrittenFiles {
  readonly brought: SnapshotReader
  readonly include: readonly string[]
  readonly removed?: SnapshotReader | undefined
}

export interface Written {
  /** A table or a file; `files` for all of a folder. */
  readonly name: string
  /** Rows or files that came or changed since; undefined where only that something did is known. */
  readonly written: number | undefined
  /** Of those that the restore brought: changed since, or gone. */
  readonly gone?: number | undefined
}

export interface PutBackRequest extends KeptRequest {
  readonly keepNowAs?: string | undefined
  readonly lastLook?: LastLook | undefined
}

/**
 * Called while nobody else can write the target any more, right before it changes, with the state that it is in, as `stateOf`
 * gives it. `isKept`: it will lie beside, as it is now. Where it will not, the target can be read meanwhile, and made safe;
 * false: it could not be, and must be kept. What it throws ends the change, and the target is as it was.
 */
export type LastLook = (state: string | undefined, isKept: boolean) => Promise<boolean>

/** One thing that a swap took away. */
export interface Kept {
  /** Absolute path, or the name of a database. */
  readonly target: string
  /** What it is called now. */
  readonly kept: string
}

/**
 * `untouched`: the swap never came. `rolled-back`: what was there is there again. `finished`: what was restored is in
 * place, whole, and what was there may still be kept. `half-written`: it was being rewritten in place, and needs a restore.
 */
export type SettledState = 'untouched' | 'rolled-back' | 'finished' | 'half-written'

export interface Settled {
  readonly state: SettledState
  readonly kept: readonly Kept[]
  /** Killed in the swap itself: something may have been written to what is kept when it had left its place. */
  readonly mayHoldMore?: boolean | undefined
}

/** What a restore with `delete` would remove. */
export interface SurplusSummary {
  readonly files: number
  readonly folders: number
  readonly sizeBytes: number
  /** The first hundred, relative to the target; folders end with a slash. */
  readonly names: readonly string[]
}

export interface TargetSurvey {
  /** The target as it can be named again, and written down: without a password. */
  readonly place: string
  /** All places that the restore would change, where they are more than `place` or others: databases of a server. */
  readonly places?: readonly string[] | undefined
  readonly exists: boolean
  /** Undefined where it does not exist or can't be read. */
  readonly sizeBytes?: number | undefined
  readonly files?: number | undefined
  readonly modifiedAt?: Date | undefined
  readonly engineVersion?: string | undefined
  /** With `delete`. */
  readonly surplus?: SurplusSummary | undefined
  /** Of databases: with their columns. Undefined where they can't be read. */
  readonly tables?: readonly ManifestTable[] | undefined
  /**
   * Severity `error`: a restore into it would fail: `target-unreachable`, `target-in-use`, `target-not-writable`,
   * `target-no-space`, `target-other-engine`, `target-older-engine`, `target-other-cluster`, `target-invalid`,
   * `target-extension-missing`, `target-privilege-missing`. Of what is there and no obstacle: `info`.
   */
  readonly findings: readonly Finding[]
}
