import { createHash } from 'node:crypto'

const RESTRICT = /^\\(un)?restrict \S+$/gm
const VERSIONS = /^-- Dumped (?:from database|by pg_dump) version .*\n/gm
const TOKEN_CHARS = 63

/**
 * The SQL text of pg_dump or pg_dumpall made the same for the same content. Its `\restrict` key is random; ours comes
 * from the content, which nobody who wrote the content could know in advance, so it protects psql as well.
 */
export function stableSql(text: string): string {
  const content = text.replace(VERSIONS, '')
  const key = createHash('sha256').update(content.replace(RESTRICT, '')).digest('hex').slice(0, TOKEN_CHARS)
  return content.replace(RESTRICT, (_, un: string | undefined) => `\\${un ?? ''}restrict ${key}`)
}

/** What pg_dump can't write as UTF-8, or must not: nobody knows what the bytes mean. */
const AS_THEY_ARE = new Set(['SQL_ASCII', 'MULE_INTERNAL'])

/** Makes pg_dump write UTF-8 whatever the database's encoding: names are read here, and patterns are UTF-8 as well. */
export function encodingArguments(encoding: string): string[] {
  return AS_THEY_ARE.has(encoding) ? [] : ['--encoding=UTF8']
}

/** What a schema is apart from who owns it and may use it: no comments, session settings, owners, grants, blank lines. */
const INCIDENTAL =
  /^(--|\\(un)?restrict |SET [a-z_]+ = |SELECT pg_catalog\.set_config|ALTER .* OWNER TO .*;$|(GRANT|REVOKE) .*;$|ALTER DEFAULT PRIVILEGES .*;$|\s*$)/

/** SHA-256 of it: the same for the same schema, whoever restored it. */
export function schemaFingerprint(text: string): string {
  const lines = text.split('\n').filter(line => !INCIDENTAL.test(line))
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

const NAME = '("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
const ROLE_PLACES = [
  new RegExp(`^ALTER .* OWNER TO ${NAME};$`, 'gm'),
  new RegExp(`^GRANT .* TO ${NAME}(?: WITH .*)?;$`, 'gm'),
  new RegExp(`^REVOKE .* FROM ${NAME}(?: CASCADE)?;$`, 'gm'),
  new RegExp(`^ALTER DEFAULT PRIVILEGES FOR ROLE ${NAME} `, 'gm'),
]
const POLICY_PLACE = new RegExp(`^CREATE POLICY .*? TO (${NAME}(?:, ${NAME})*)(?: USING | WITH CHECK |;$)`, 'gm')
const NO_ROLES = new Set(['public', 'PUBLIC', 'CURRENT_USER', 'SESSION_USER'])

/** The roles that a schema's SQL names as owners and in grants. */
export function rolesIn(text: string): string[] {
  const roles = new Set<string>()
  for (const place of ROLE_PLACES) {
    for (const [, name = ''] of text.matchAll(place)) if (!NO_ROLES.has(name)) roles.add(unquote(name))
  }
  return [...roles].toSorted()
}

/** Those that its policies are for. */
export function policyRoles(text: string): string[] {
  const roles = new Set<string>()
  for (const [, list = ''] of text.matchAll(POLICY_PLACE)) {
    for (const [name] of list.matchAll(new RegExp(NAME, 'g'))) if (!NO_ROLES.has(name)) roles.add(unquote(name))
  }
  return [...roles].toSorted()
}

function unquote(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
}
