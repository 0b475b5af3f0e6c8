export { postgresError, redact, toolError } from './errors.ts'
export {
  createCluster,
  freePort,
  type RunningServer,
  type ServerUser,
  serverUser,
  startServer,
  startTemporaryCluster,
  type TemporaryCluster,
  THROW_AWAY_SETTINGS,
} from './server.ts'
export { openSession, type Session, withSession } from './session.ts'
export {
  type ConnectionOptions,
  type ConnectionSettings,
  databaseInUrl,
  describeConnection,
  hostInUrl,
  isPostgresUrl,
  resolveConnection,
  SSL_MODES,
} from './settings.ts'
export { quoteIdentifier, quoteLiteral, quoteName } from './sql.ts'
export {
  connectionEnvironment,
  findPostgresTools,
  findServerTools,
  listPostgresTools,
  type PostgresTools,
  requireSuccess,
  runTool,
  startTool,
  type ToolRequest,
} from './tools.ts'
