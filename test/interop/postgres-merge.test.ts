import { afterAll, beforeAll } from 'vitest'
import { describeMergeContract } from '../contracts/merge-contract.ts'
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
})
