/** One line of an archive's table of contents. */
export interface TocEntry {
  readonly id: number
  /** `TABLE`, `FK CONSTRAINT`, ... */
  readonly kind: string
  /** Undefined for what belongs to none. */
  readonly schema: string | undefined
  /** The object's name; for what hangs on a table: `film film_pkey`. */
  readonly tag: string
  readonly dependsOn: readonly number[]
  /** As pg_restore printed it, for `--use-list`. */
  readonly line: string
}

/** Kinds of more than one word; a kind of one word is told by its form. */
const KINDS = [
  'MATERIALIZED VIEW DATA',
  'MATERIALIZED VIEW',
  'TABLE DATA',
  'TABLE ATTACH',
  'INDEX ATTACH',
  'FK CONSTRAINT',
  'CHECK CONSTRAINT',
  'SEQUENCE SET',
  'SEQUENCE OWNED BY',
  'ROW SECURITY',
  'DEFAULT ACL',
  'EVENT TRIGGER',
  'DATABASE PROPERTIES',
  'FOREIGN TABLE',
  'FOREIGN DATA WRAPPER',
  'FOREIGN SERVER',
  'USER MAPPING',
  'ACCESS METHOD',
  'OPERATOR CLASS',
  'OPERATOR FAMILY',
  'PROCEDURAL LANGUAGE',
  'SHELL TYPE',
  'PUBLICATION TABLES IN SCHEMA',
  'PUBLICATION TABLE',
  'BLOB METADATA',
  'STATISTICS DATA',
  'SECURITY LABEL',
  'TEXT SEARCH CONFIGURATION',
  'TEXT SEARCH DICTIONARY',
  'TEXT SEARCH PARSER',
  'TEXT SEARCH TEMPLATE',
  'LARGE OBJECT',
]
const LINE = new RegExp(`^(\\d+); \\d+ \\d+ (${KINDS.join('|')}|[A-Z]+) (\\S+) (.*) \\S+$`)
const DEPENDS = /^;\s+depends on:((?: \d+)+)/

/** What `pg_restore --list --verbose` prints. Names of schemas and owners with spaces in them are not understood. */
export function parseToc(text: string): TocEntry[] {
  const entries: Array<TocEntry & { dependsOn: number[] }> = []
  for (const line of text.split('\n')) {
    const depends = DEPENDS.exec(line)
    if (depends) {
      entries.at(-1)?.dependsOn.push(...(depends[1] ?? '').trim().split(' ').map(Number))
      continue
    }
    const [, id, kind, schema, tag] = LINE.exec(line) ?? []
    if (id === undefined || kind === undefined || schema === undefined || tag === undefined) continue
    entries.push({ id: Number(id), kind, schema: schema === '-' ? undefined : schema, tag, dependsOn: [], line })
  }
  return entries
}
