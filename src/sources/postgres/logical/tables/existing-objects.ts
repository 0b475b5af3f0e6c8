import type { Session } from '../../../../clients/postgres/index.ts'
import { type ExistingObjects, objectKey } from './table-selection.ts'

/** As an archive names a function: `shown(public.item, numeric)`. */
export function routineTag(of: string): string {
  return `${of}.proname || '(' || CASE WHEN ${of}.prokind = 'a' AND ${of}.pronargs = 0 THEN '*' ELSE array_to_string(
      ARRAY(SELECT format_type(a, NULL) FROM unnest(${of}.proargtypes) WITH ORDINALITY AS u (a, at) ORDER BY at), ', ') END || ')'`
}

/** Kind, schema and tag of all that a target has, in the words of an archive's table of contents. */
const CATALOG = `
  SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
      WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' ELSE 'TABLE' END AS kind, n.nspname AS schema, c.relname AS tag
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','S','v','m','i','I','f')
  UNION ALL SELECT k.kind, n.nspname, c.relname || ' ' || t.conname
    FROM pg_constraint t JOIN pg_class c ON c.oid = t.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
      unnest(ARRAY['CONSTRAINT', 'FK CONSTRAINT', 'CHECK CONSTRAINT']) AS k(kind)
  UNION ALL SELECT 'TRIGGER', n.nspname, c.relname || ' ' || t.tgname
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL SELECT 'RULE', n.nspname, c.relname || ' ' || r.rulename
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL SELECT 'POLICY', n.nspname, c.relname || ' ' || p.polname
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  UNION ALL SELECT 'DEFAULT', n.nspname, c.relname || ' ' || a.attname
    FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL SELECT 'PUBLICATION', '', pubname FROM pg_publication WHERE pg_has_role(pubowner, 'USAGE')
  UNION ALL SELECT 'SCHEMA', '', nspname FROM pg_namespace
  UNION ALL SELECT 'EXTENSION', '', extname FROM pg_extension
  UNION ALL SELECT CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, n.nspname, t.typname
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typtype <> 'c' OR c.relkind = 'c'
  UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END, n.nspname,
      ${routineTag('p')}
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_'
  UNION ALL SELECT 'STATISTICS', n.nspname, s.stxname
    FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
  UNION ALL SELECT format('OWNED BY "%s"."%s"', replace(tn.nspname, '"', '""'), replace(t.relname, '"', '""')), n.nspname, c.relname
    FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')`

export async function listExisting(session: Session): Promise<ExistingObjects> {
  const rows = await session.query<{ kind: string; schema: string; tag: string }>(CATALOG)
  return new Set(rows.map(row => objectKey(row.kind, row.schema, row.tag)))
}
