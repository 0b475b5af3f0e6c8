import type { Finding } from './finding.ts'
import type { Incomplete } from './incomplete.ts'

export const BACKUP_TYPES = ['full', 'incremental', 'differential', 'schema', 'data'] as const
export type BackupType = (typeof BACKUP_TYPES)[number]

/** Of a part of the source only. It stands in for no whole one: not in retention, nor as the latest. */
export function isPart(type: string | undefined): type is 'schema' | 'data' {
  return type === 'schema' || type === 'data'
}

export interface ManifestFile {
  /** Relative to the source's folder in the snapshot. */
  readonly path: string
  readonly sizeBytes: number
  /** SHA-256 of the whole file, hex; absent for files over `SHA256_LIMIT_BYTES`, whose blobs carry their own. */
  readonly sha256?: string
}

export interface ManifestTable {
  readonly name: string
  readonly rows: number
  /** `rows` was estimated, not counted: nothing is held to it. In a manifest only where a table could not be counted. */
  readonly estimated?: boolean
  /** Its rows were left out on purpose: the snapshot has none, and a restore leaves those that are there. */
  readonly withoutRows?: boolean
  /** In their order, as the engine writes types. Absent in the manifests of early versions. */
  readonly columns?: readonly ManifestColumn[]
}

export interface ManifestColumn {
  readonly name: string
  /** `INTEGER`, `character varying(255)`; empty where SQLite was told none. */
  readonly type: string
  /** Refuses NULL. */
  readonly notNull?: boolean
  /** Part of the primary key. */
  readonly key?: boolean
}

export interface ManifestDatabase {
  readonly tables: readonly ManifestTable[]
  /** SHA-256 over the normalised schema: equal schemas, equal fingerprints. */
  readonly schemaFingerprint: string
  /** What the application itself says of its schema (`user_version`, a migrations table), as text. */
  readonly schemaVersion?: string
  /** Each database of a server that was captured, where a source holds several or they have facts of their own. */
  readonly databases?: readonly ManifestServerDatabase[]
  /** What the engine's own check said of the data when it was captured. Absent where it was not asked. */
  readonly condition?: ManifestCondition
  /** Facts of one engine: `journalMode`, `pageSizeBytes`, `userVersion`, `walSalt`, ... */
  readonly properties: Readonly<Record<string, string | number | boolean | null>>
}

export interface ManifestCondition {
  /** The engine's name for it: `integrity_check`, `quick_check`. */
  readonly check: string
  readonly failures: readonly ManifestFailure[]
}

/** One thing that was wrong with the data before it was captured: a restore brings it back as it was. */
export interface ManifestFailure {
  /**
   * `constraint`: rows break a rule of their table. `index`: it does not agree with its table. `search-index`: the same of
   * a virtual table. `pages`: the file is damaged. `unevaluable`: no failure, only the application can check it.
   */
  readonly kind: 'constraint' | 'index' | 'search-index' | 'pages' | 'unevaluable'
  /** The table or index; empty where the engine names none. */
  readonly object: string
  /** The engine's words for the first of these. */
  readonly message: string
}

/** One database of a server, as of one instant of its own. */
export interface ManifestServerDatabase {
  readonly name: string
  /** UTC ISO 8601. */
  readonly capturedAt: string
  /** Position in the server's log (PostgreSQL: `0/3000148`) at or just after that instant. */
  readonly logPosition: string
  readonly owner: string
  readonly encoding: string
  readonly collation: string
  readonly characterType: string
  readonly sizeBytes: number
  readonly schemaFingerprint: string
  readonly extensions: ReadonlyArray<{ readonly name: string; readonly version: string }>
  /** Where names without a schema are looked up in it (PostgreSQL's `search_path`). Absent: the engine's default. */
  readonly searchPath?: string
  /** Names with their schema: `public.film`. */
  readonly tables: readonly ManifestTable[]
  /** The files that hold it, relative to the source's folder: first the one with the schema, then more data. */
  readonly archives: readonly string[]
}

/** `/.lifeboat/manifest.json` of a snapshot: what was captured, how, and what a restore must find again. */
export interface Manifest {
  readonly format: 1
  readonly source: string
  readonly kind: string
  readonly type: BackupType
  /** Version of the engine that wrote the data (`SQLite 3.45.1`), where there is one. */
  readonly engineVersion?: string
  /**
   * The instant the capture is of, UTC ISO 8601. Not in the file: it is the snapshot's time, and without it the manifest of
   * what has not changed is the one before, of which nothing is stored again.
   */
  readonly capturedAt: string
  /** `transactional`: one instant for all. `per-file`: each file is of its own instant. */
  readonly consistency: 'transactional' | 'per-file'
  readonly totals: { readonly files: number; readonly sizeBytes: number }
  /**
   * Each file of a transactional source. Empty for folders: their tree says it all, and a list of a million files in
   * every snapshot would cost more than it tells.
   */
  readonly files: readonly ManifestFile[]
  readonly database?: ManifestDatabase
  /** Absent: nothing is missing, and nothing changed while it was read. */
  readonly incomplete?: Incomplete
  /** What was wrong or worth knowing at capture time. */
  readonly findings: readonly Finding[]
}

/** Files up to this size get a whole-file SHA-256 in the manifest; it is one pass on one core, so big ones do not. */
export const SHA256_LIMIT_BYTES = 64 * 1024 * 1024
