import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { runTool } from '../../src/clients/postgres/index.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import { describeSourceContract } from '../contracts/source-contract.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'

const SCHEMA = `
  CREATE TABLE person (id serial PRIMARY KEY, name text NOT NULL, note text);
  CREATE TABLE letter (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int REFERENCES person, body text);
  CREATE INDEX letter_person ON letter (person);
  INSERT INTO person (name) SELECT 'person ' || i FROM generate_series(1, 500) i;
  INSERT INTO letter (person, body) SELECT 1 + i % 500, repeat(md5(i::text), 20) FROM generate_series(1, 3000) i;`

describeWithPostgres('postgres, logical', () => {
  let cluster: TestCluster
  let serial = 0

  beforeAll(async () => {
    cluster = await startTestCluster()
  })
  afterAll(async () => {
    await cluster.close()
  })

  /** All that pg_dump and pg_restore write out, but for what is not transactional in PostgreSQL: sequences' values. */
  const digest = (text: string): string => {
    const rows = text
      .split('\n')
      .filter(line => !/^(--|\\(un)?restrict |SET |SELECT pg_catalog.set(_config|val))/.test(line))
    return createHash('sha256').update(rows.join('\n')).digest('hex')
  }

  describeSourceContract({
    kind: 'postgres',
    make: async dir => {
      const database = `contract_${++serial}`
      await cluster.createDatabase(database)
      await cluster.query(database, SCHEMA)
      const options = postgresOptions.parse({ url: cluster.url(database) })
      const settings = { ...cluster.admin, database }
      return {
        source: new LogicalSource('shop', options, { baseDir: dir }),
        mutate: async step => {
          const statements = [
            `INSERT INTO person (name) VALUES ('step ${step}')`,
            `UPDATE letter SET body = 'changed ${step}' WHERE id % 50 = ${step}`,
            `DELETE FROM letter WHERE id = ${step}`,
          ]
          await cluster.query(database, statements.join(';'))
        },
        digest: async () => digest(await runTool(cluster.tools, { tool: 'pg_dump', args: [], settings }, 'dump')),
        digestRestored: async target => {
          const args = ['-f', '-', join(target, `${database}.dump`)]
          return digest(await runTool(cluster.tools, { tool: 'pg_restore', args, settings: undefined }, 'read'))
        },
        target: name => join(dir, name),
        close: async () => {
          await cluster.query('postgres', `DROP DATABASE ${database} WITH (FORCE)`)
        },
      }
    },
    makeMissing: dir => {
      const options = postgresOptions.parse({ url: cluster.url('nowhere') })
      return Promise.resolve(new LogicalSource('missing', options, { baseDir: dir }))
    },
  })
})
