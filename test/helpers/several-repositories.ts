import { type App, type AppOptions, type BackupWish, backUp, openApp } from '../../src/lib.ts'
import { pointKey } from '../../src/model/recovery-point.ts'
import type { Snapshot } from '../../src/repository/index.ts'

export interface BackedUpBriefly {
  /** `app main full`, `app disk main`: copied from main, `app disk copy-later` */
  readonly done: readonly string[]
  /** `disk 2`: two recovery points were brought there. */
  readonly copied: readonly string[]
}

/** Backups within the test's own process: much faster than the command. */
export async function withApp<T>(options: AppOptions, work: (app: App) => Promise<T>): Promise<T> {
  const app = await openApp({ lockWaitMs: 10_000, ...options })
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}

export async function backUpBriefly(app: App, wish: BackupWish = {}): Promise<BackedUpBriefly> {
  const { attempts, copies } = await backUp(app, wish, {})
  return {
    done: attempts.map(each => {
      const how = 'error' in each ? each.error.code : 'from' in each ? each.from : each.result.type
      return `${each.source} ${each.repository} ${how}`
    }),
    copied: copies.flatMap(copy =>
      'result' in copy && copy.result.copied.length > 0 ? [`${copy.to} ${copy.result.copied.length}`] : [],
    ),
  }
}

/** Oldest first. */
export async function storedIn(app: App, repository: string): Promise<readonly Snapshot[]> {
  return (await (await app.repository(repository)).listSnapshots()).snapshots
}

/** What makes each the same recovery point wherever it lies. */
export async function pointsIn(app: App, repository: string): Promise<string[]> {
  return (await storedIn(app, repository)).map(pointKey)
}
