export { type BackupPart, BaseBackup } from './base-backup.ts'
export { circumstances } from './error-rules.ts'
export { postgresError, serverWords, toolError } from './errors.ts'
export {
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
  type ConnectionSettings,
  databaseInUrl,
  describeConnection,
  describeServer,
  hostInUrl,
  isPostgresUrl,
  resolveConnection,
} from './settings.ts'
export { databaseArgument, holdsBytes, quoteIdentifier, quoteLiteral, quoteName } from './sql.ts'
export {
  findPostgresTools,
  findServerTools,
  listPostgresTools,
  type PostgresTools,
  requireSuccess,
  runTool,
  startTool,
  type ToolRequest,
} from './tools.ts'
