import { isAppError } from '../../../../base/errors.ts'
import { withSession } from '../../../../clients/postgres/index.ts'
import { readToc } from '../archive/toc.ts'
import type { LoadRun } from '../restore/database-restore.ts'
import { type MaskCatalog, readMaskCatalog } from './mask-catalog.ts'

/** The catalog with all keys, though they are to be made after the data: they are made on the empty tables, and dropped. */
export async function readCatalog(run: LoadRun): Promise<MaskCatalog> {
  const keys = await readKeys(run)
  return await withSession(run.settings, { database: run.into, signal: run.request.signal }, async session => {
    // Each by itself: the server has locks for so many tables only. One that can't be made is told when it should be.
    for (const sql of keys) {
      await session.query(sql).catch((error: unknown) => {
        if (session.broken || isAppError(error, 'interrupted')) throw error
      })
    }
    await session.query('BEGIN')
    const catalog = await readMaskCatalog(session)
    await session.query('COMMIT')
    for (const { sql } of await session.query<{ sql: string }>(DROP_KEYS)) await session.query(sql)
    return catalog
  })
}

/** Unique constraints and indexes, then what refers to them. */
async function readKeys({ archives, database }: LoadRun): Promise<string[]> {
  const [main = ''] = database.archives
  const toc = await readToc(archives.read(main), KEYS)
  const of = (kind: string): string[] => {
    return toc.flatMap(entry => (entry.kind === kind ? (entry.definition ?? '') : []))
  }
  const unique = of('INDEX').filter(sql => sql.startsWith('CREATE UNIQUE INDEX '))
  return [...of('CONSTRAINT'), ...unique, ...of('FK CONSTRAINT')].filter(sql => sql !== '')
}

const KEYS: ReadonlySet<string> = new Set(['CONSTRAINT', 'INDEX', 'FK CONSTRAINT'])

const USERS = `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`
const DROP_KEYS = `
  SELECT format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname) AS sql,
    CASE k.contype WHEN 'f' THEN 0 ELSE 1 END AS at
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.contype IN ('f', 'p', 'u', 'x') AND k.conparentid = 0 AND ${USERS}
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  UNION ALL
  SELECT format('DROP INDEX %I.%I', n.nspname, c.relname), 2
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE ${USERS} AND NOT c.relispartition
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.contype IN ('p', 'u', 'x'))
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indrelid AND d.deptype = 'e')
  ORDER BY 2`
