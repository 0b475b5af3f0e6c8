import { afterAll, beforeAll, it } from 'vitest'
import { describeMergeContract } from '../contracts/merge-contract.ts'
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

  it('does with random databases what the model says', { timeout: 300_000 }, async () => {
    await checkMergeProperties(
      postgresEngine(() => cluster),
      false,
      3,
    )
  })
})
