import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { RepositoryContext, RepositoryFiles } from '../files/repository-files.ts'
import type { Turns } from '../lock/turns.ts'
import type { RepackingWorkers } from '../pack/move-blobs.ts'
import type { WorkerPool } from '../workers/pool.ts'

/** What pruning needs of an opened repository. The caller holds a shared lock. */
export interface PruneContext extends RepositoryContext {
  readonly files: RepositoryFiles
  readonly random: Random
  readonly clock: Clock
  readonly workers: RepackingWorkers & Pick<WorkerPool, 'index'>
  /** Not used in a dry run. */
  readonly turns: Turns
}
