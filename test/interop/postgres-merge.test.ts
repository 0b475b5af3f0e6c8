import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeMergeContract } from '../contracts/merge-contract.ts'
import { describeMergeFaults } from '../contracts/merge-faults.ts'
import { checkMergeProperties } from '../contracts/merge-property.ts'
import { postgresEngine } from '../helpers/merge-engines.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

describeWithPostgres('merging into PostgreSQL', () => {
  let cluster: TestCluster

  beforeAll(async () => {
    cluster = await startTestCluster()
  })
  afterAll(async () => {
    await cluster.close()
  })

  describeMergeContract(postgresEngine(() => cluster))
  describeMergeFaults(postgresEngine(() => cluster))

  it('does with random databases what the model says', async () => {
    const checked = checkMergeProperties(
      postgresEngine(() => cluster),
      false,
      1,
    )
    await expect(checked).resolves.toBeUndefined()
  })
})
