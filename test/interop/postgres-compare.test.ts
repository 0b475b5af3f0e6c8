import { afterAll, beforeAll, expect, it } from 'vitest'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import { describeCompareContract } from '../contracts/compare-contract.ts'
import { drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
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

  it('names what it may not read and what backups leave out, and compares the rest in one snapshot', async () => {
    const dir = await makeTempDir('lb-compare-pg-')
    await cluster.createDatabase('rights')
    await cluster.query(
      'rights',
      `CREATE ROLE reader LOGIN; CREATE TABLE a (id int PRIMARY KEY, at timestamptz, n numeric, j jsonb, b bytea);
       CREATE TABLE secret (id int); CREATE TABLE bulk (id int); CREATE TABLE other (id int);
       CREATE TABLE parted (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED) PARTITION BY RANGE (id);
       CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
       INSERT INTO a VALUES (1, now(), 1.0, '{"a": 1}', '\\x00ff'), (2, 'infinity', 'NaN', 'null', NULL);
       INSERT INTO secret VALUES (1); INSERT INTO bulk VALUES (1); INSERT INTO parted VALUES (1);
       GRANT SELECT ON a, bulk, other, parted, parted_low TO reader`,
    )
    try {
      const more = { excludeTableData: ['bulk'], excludeTables: ['other'] }
      const make = (url: string) => new LogicalSource('shop', postgresOptions.parse({ url, ...more }), { baseDir: dir })
      const { reader } = await drain(make(cluster.url('rights')), dir)
      await cluster.query('rights', `UPDATE a SET n = 1.00 WHERE id = 1; INSERT INTO other VALUES (1)`)
      const source = make(cluster.url('rights').replace('postgres@', 'reader@'))
      const insert = async (): Promise<void> => void (await cluster.query('rights', 'INSERT INTO parted VALUES (2)'))
      const began: Array<Promise<void>> = []
      const compared = await source.comparing?.compare({
        ...(await makeContext(dir)),
        before: { snapshot: reader },
        after: { target: undefined },
        onTable: () => void (began.length === 0 && began.push(insert())),
      })
      await Promise.all(began)
      expect(
        compared?.map(({ table, by, onlyAfter, changed, problem }) => [table, by, onlyAfter, changed, problem]),
      ).toEqual([
        ['public.a', 'key', 0, 1, undefined],
        ['public.bulk', 'row', 0, 0, 'its rows are not in the recovery point'],
        ['public.parted_low', 'key', 0, 0, undefined],
        ['public.secret', 'row', 0, 0, 'permission denied for table secret'],
      ])
    } finally {
      await removeDir(dir)
    }
  })

  const display = (table: string): string => `public.${table}`
  describeCompareContract(
    postgresEngine(() => cluster),
    display,
  )
})
