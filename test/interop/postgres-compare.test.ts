import { afterAll, beforeAll } from 'vitest'
import { describeCompareContract } from '../contracts/compare-contract.ts'
import { postgresEngine } from '../helpers/merge-engines.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

describeWithPostgres('comparing rows of PostgreSQL', () => {
  let cluster: TestCluster

  beforeAll(async () => {
    cluster = await startTestCluster()
  })
  afterAll(async () => {
    await cluster.close()
  })

  const display = (table: string): string => `public.${table}`
  describeCompareContract(
    postgresEngine(() => cluster),
    display,
  )
})
