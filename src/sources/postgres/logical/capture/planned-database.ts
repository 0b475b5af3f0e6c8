import { Semaphore } from '../../../../base/concurrency.ts'
import type { ConnectionSettings, PostgresTools } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { isPart } from '../../../../model/manifest.ts'
import type { CaptureRequest } from '../../../source.ts'
import type { PostgresOptions } from '../../options.ts'
import { type DatabasePlan, planDatabase } from '../plan.ts'
import type { DatabaseSnapshot } from './database-snapshot.ts'

export interface LogicalCaptureInit {
  readonly settings: ConnectionSettings
  readonly options: PostgresOptions
  readonly tools: PostgresTools
  readonly request: CaptureRequest
  /** Already taken; the capture closes them. */
  readonly snapshots: readonly DatabaseSnapshot[]
  readonly superuser: boolean
  /** What was found out before: databases that are left out, functions that a restore will stumble on. */
  readonly findings: readonly Finding[]
}

/** A database that is being captured. */
export interface PlannedDatabase {
  readonly snapshot: DatabaseSnapshot
  readonly settings: ConnectionSettings
  readonly plan: DatabasePlan
  /** Of each table whose rows were dumped. */
  readonly rows: Map<string, number>
  /** What is looked for beside the dump, in the same snapshot. */
  readonly looked: Promise<void>
  /** A pg_dump of all tables locks each: one at a time. */
  readonly whole: Semaphore
  /** Why it could not be read, while the others could. */
  failure: unknown
  fingerprint: string
}

/** Begins to look at each. */
export function planDatabases({ settings, options, request, snapshots }: LogicalCaptureInit): PlannedDatabase[] {
  return snapshots.map(snapshot => {
    const looked = look(snapshot, request)
    // Waited for when all was read; a capture that fails before never gets there.
    looked.catch(() => {})
    return {
      snapshot,
      settings: { ...settings, database: snapshot.facts.name },
      plan: planDatabase(snapshot.facts.name, snapshot.tables, request.type, options),
      rows: new Map<string, number>(),
      looked,
      whole: new Semaphore(1),
      failure: undefined,
      fingerprint: '',
    }
  })
}

/** All ask in the session of the snapshot, one after the other. */
async function look(snapshot: DatabaseSnapshot, { type, clock }: CaptureRequest): Promise<void> {
  await snapshot.lookForFunctions()
  // Rows without their keys and checks break none.
  if (!isPart(type)) await snapshot.lookForBrokenRows(clock)
}
