import {
  type ConnectionSettings,
  type PostgresTools,
  runTool,
  withSession,
} from '../../../../clients/postgres/index.ts'

/** The schema in SQL, in the same words whatever the role or the database have set. */
export async function readSchemaText(
  tools: PostgresTools,
  settings: ConnectionSettings,
  signal: AbortSignal,
  args: readonly string[],
): Promise<string> {
  const all = ['--schema-only', '--no-password', ...args]
  const doing = `read the schema of ${settings.database}`
  const plain = await withPlainNames(settings, signal)
  return await runTool(tools, { tool: 'pg_dump', args: all, settings: plain, signal }, doing)
}

/** Only where it is needed: a connection pooler may refuse `options`. */
async function withPlainNames(settings: ConnectionSettings, signal: AbortSignal): Promise<ConnectionSettings> {
  const [row] = await withSession(settings, { signal }, session =>
    session.query<{ on: boolean }>(
      `SELECT reset_val = 'on' AS on FROM pg_settings WHERE name = 'quote_all_identifiers'`,
    ),
  )
  if (row?.on !== true) return settings
  return { ...settings, options: [settings.options, '-c quote_all_identifiers=off'].filter(Boolean).join(' ') }
}
