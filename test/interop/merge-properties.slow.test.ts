import { describe, expect, it } from 'vitest'
import { checkMergeProperties } from '../contracts/merge-property.ts'
import { postgresEngine, sqliteEngine } from '../helpers/merge-engines.ts'
import { describeWithPostgres, startTestCluster } from '../helpers/postgres-cluster.ts'

/** Whether the backup holds references that lead nowhere. */
const LOST = [false, true]

describe('merging many random databases of SQLite', () => {
  it.each(LOST)('does what the model says (lost references: %s)', async lost => {
    await expect(checkMergeProperties(sqliteEngine, lost, 8)).resolves.toBeUndefined()
  })
})

describeWithPostgres('merging many random databases of PostgreSQL', () => {
  it('does what the model says', async () => {
    const cluster = await startTestCluster()
    try {
      const checked = checkMergeProperties(
        postgresEngine(() => cluster),
        false,
        6,
      )
      await expect(checked).resolves.toBeUndefined()
    } finally {
      await cluster.close()
    }
  })
})
