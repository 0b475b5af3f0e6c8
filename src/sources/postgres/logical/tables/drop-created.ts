import { quoteIdentifier, quoteLiteral, quoteName } from '../../../../clients/postgres/index.ts'
import type { CreatedObject } from '../../../target.ts'
import { routineTag } from './existing-objects.ts'
import type { TableName } from './table-pattern.ts'

export function tablesAmong(created: readonly CreatedObject[]): TableName[] {
  return created.flatMap(({ kind, schema, name }) =>
    kind === 'TABLE' && schema !== undefined ? [{ schema, name }] : [],
  )
}

/** What rows or columns are made of, as tables may be of what was made before them. */
const MATERIAL: ReadonlySet<string> = new Set(['TABLE', 'FUNCTION', 'PROCEDURE', 'AGGREGATE', 'TYPE', 'DOMAIN'])

/**
 * Drops what a restore made, nothing that depends on it: where something newer does, the server refuses, and says what.
 * What others need goes after them; what is gone by then, with its table or by hand, is passed over.
 */
export function dropScript(created: readonly CreatedObject[]): string[] {
  const newestFirst = created.toReversed()
  const of = (...kinds: readonly string[]): string[] =>
    newestFirst.filter(({ kind }) => kinds.includes(kind)).map(dropOne)
  return [
    ...of('FK CONSTRAINT', 'RULE', 'VIEW', 'MATERIALIZED VIEW'),
    ...of('TRIGGER', 'POLICY', 'CHECK CONSTRAINT', 'INDEX', 'DEFAULT'),
    ...dropMaterial(newestFirst.filter(({ kind }) => MATERIAL.has(kind))),
    ...of('CONSTRAINT', 'STATISTICS'),
    ...of('SEQUENCE'),
    ...of('SCHEMA'),
  ]
}

/** Tables that follow each other go in one statement: they may refer to each other by now. */
function dropMaterial(newestFirst: readonly CreatedObject[]): string[] {
  const statements: string[] = []
  let tables: string[] = []
  const dropTables = (): void => {
    if (tables.length > 0) statements.push(`DROP TABLE IF EXISTS ${tables.join(', ')};`)
    tables = []
  }
  for (const each of newestFirst) {
    if (each.kind === 'TABLE') tables.push(quoteName(each.schema ?? '', each.name))
    else {
      dropTables()
      statements.push(dropOne(each))
    }
  }
  dropTables()
  return statements
}

function dropOne({ kind, schema = '', name }: CreatedObject): string {
  const hanging = HANGING[kind]
  if (hanging === undefined)
    return `DROP ${kind} IF EXISTS ${schema === '' ? quoteIdentifier(name) : quoteName(schema, name)};`
  return `DO $lifeboat$ DECLARE statement text; BEGIN
  FOR statement IN SELECT ${hanging.drop} FROM ${hanging.from} JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ${quoteLiteral(schema)} AND ${hanging.tag} = ${quoteLiteral(name)}
  LOOP EXECUTE statement; END LOOP; END $lifeboat$;`
}

interface Hanging {
  readonly drop: string
  readonly from: string
  /** As an archive names it. */
  readonly tag: string
}

const CONSTRAINT: Hanging = {
  drop: `format('ALTER TABLE %s DROP CONSTRAINT %I', c.oid::regclass, t.conname)`,
  from: 'pg_constraint t JOIN pg_class c ON c.oid = t.conrelid',
  tag: `c.relname || ' ' || t.conname`,
}

const ROUTINE: Hanging = {
  drop: `format('DROP ROUTINE %s', c.oid::regprocedure)`,
  from: '(SELECT *, pronamespace AS relnamespace FROM pg_proc) c',
  tag: routineTag('c'),
}

/** The archive says the name of the table and of what hangs on it in one: the catalog knows where one ends. */
const HANGING: Readonly<Record<string, Hanging>> = {
  CONSTRAINT,
  'FK CONSTRAINT': CONSTRAINT,
  'CHECK CONSTRAINT': CONSTRAINT,
  TRIGGER: {
    drop: `format('DROP TRIGGER %I ON %s', t.tgname, c.oid::regclass)`,
    from: 'pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND t.tgparentid = 0',
    tag: `c.relname || ' ' || t.tgname`,
  },
  RULE: {
    drop: `format('DROP RULE %I ON %s', t.rulename, c.oid::regclass)`,
    from: 'pg_rewrite t JOIN pg_class c ON c.oid = t.ev_class',
    tag: `c.relname || ' ' || t.rulename`,
  },
  POLICY: {
    drop: `format('DROP POLICY %I ON %s', t.polname, c.oid::regclass)`,
    from: 'pg_policy t JOIN pg_class c ON c.oid = t.polrelid',
    tag: `c.relname || ' ' || t.polname`,
  },
  DEFAULT: {
    drop: `format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', c.oid::regclass, t.attname)`,
    from: 'pg_attribute t JOIN pg_class c ON c.oid = t.attrelid AND t.atthasdef',
    tag: `c.relname || ' ' || t.attname`,
  },
  FUNCTION: ROUTINE,
  PROCEDURE: ROUTINE,
  AGGREGATE: ROUTINE,
  // A partition's goes with its parent's.
  INDEX: {
    drop: `format('DROP INDEX %s', c.oid::regclass)`,
    from: `(SELECT * FROM pg_class WHERE relkind IN ('i', 'I') AND NOT relispartition) c`,
    tag: 'c.relname',
  },
}
