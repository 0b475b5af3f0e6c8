import { isAppError, throwIfAborted } from '../../../../base/errors.ts'
import {
  type ConnectionSettings,
  databaseInUrl,
  type Session,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { TargetRequest, TargetSurvey } from '../../../target.ts'
import { replacesByPart } from '../capture/part-snapshot.ts'
import { openAdminSession } from '../restore/staging-database.ts'
import { chooseTargets, describeTargets, placesOf } from './choose-targets.ts'
import { surveyReplication } from './replication.ts'
import { listSessions } from './sessions.ts'
import { connectedFinding, readRights, refusals, type SurveyedDatabase } from './survey-rights.ts'
import { surveySpace } from './survey-space.ts'
import { surveyTables } from './survey-tables.ts'

export async function surveyServer(request: TargetRequest, settings: ConnectionSettings): Promise<TargetSurvey> {
  const names = namesOf(request, settings)
  const place = describeTargets(settings, names)
  const places = placesOf(settings, names)
  let admin: Session
  try {
    admin = await openAdminSession(settings, [], request.signal)
  } catch (error) {
    if (!isAppError(error) || isAppError(error, 'interrupted')) throw error
    return { place, places, exists: false, findings: [unreachable(place, error)] }
  }
  try {
    const databases: SurveyedDatabase[] = []
    for (const name of names) {
      throwIfAborted(request.signal)
      databases.push(await surveyDatabase(admin, name, request))
    }
    const rights = await readRights(admin)
    const sessions = await listSessions(admin, names)
    const part =
      request.coming && replacesByPart(request.coming.snapshot ?? '', request.coming.manifest, request.selection)
    const findings = [
      ...(part !== undefined && databases.some(each => each.exists) ? [part] : []),
      ...(await refusals(admin, rights, { request, names, sessions, databases })),
      ...(await surveySpace(admin, request)),
      ...databases.flatMap(each => each.findings),
      ...(isReplacing(request) ? await surveyReplication(admin, names) : []),
      ...connectedFinding(place, sessions),
    ]
    return { place, places, engineVersion: `PostgreSQL ${admin.version}`, ...summed(databases), findings }
  } finally {
    await admin.close()
  }
}

/** Not rows or tables alone, nor only looked at. */
function isReplacing({ coming, selection }: TargetRequest): boolean {
  return coming !== undefined && selection?.tables === undefined && selection?.schemas === undefined
}

function namesOf(request: TargetRequest, settings: ConnectionSettings): string[] {
  const databases = request.coming?.manifest?.database?.databases
  if (databases !== undefined) return chooseTargets(request, databases).map(each => each.target)
  const chosen = request.selection?.databases ?? []
  if (chosen.length > 1) return [...chosen]
  return [databaseInUrl(request.target) ?? chosen[0] ?? settings.database]
}

async function surveyDatabase(admin: Session, name: string, { signal }: TargetRequest): Promise<SurveyedDatabase> {
  const [row] = await admin.query<{ size: string | null }>(
    `SELECT CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
       THEN pg_database_size(oid) END AS size FROM pg_database WHERE datname = $1`,
    [name],
  )
  if (row === undefined) return { name, exists: false, sizeBytes: undefined, tables: undefined, findings: [] }
  const found = { name, exists: true, sizeBytes: row.size === null ? undefined : Number(row.size) }
  try {
    const tables = await withSession(admin.settings, { database: name, signal }, surveyTables)
    return { ...found, tables, findings: [] }
  } catch (error) {
    if (!isAppError(error) || isAppError(error, 'interrupted')) throw error
    // It can be replaced all the same, by its name.
    const { message } = error
    const finding: Finding = { severity: 'info', code: 'target-unreadable', subject: `database ${name}`, message }
    return { ...found, tables: undefined, findings: [finding] }
  }
}

/** As a manifest has it: of several databases, tables are named with theirs. */
function summed(databases: readonly SurveyedDatabase[]): Pick<TargetSurvey, 'exists' | 'sizeBytes' | 'tables'> {
  const there = databases.filter(each => each.exists)
  if (there.length === 0) return { exists: false }
  const sizes = there.map(each => each.sizeBytes)
  const sizeBytes = sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  if (there.some(each => each.tables === undefined)) return { exists: true, sizeBytes }
  const tables = there.flatMap(({ name, tables: own = [] }) =>
    databases.length === 1 ? own : own.map(table => ({ ...table, name: `${name}.${table.name}` })),
  )
  return { exists: true, sizeBytes, tables }
}

function unreachable(place: string, { message, hint }: { message: string; hint: string | undefined }): Finding {
  return { severity: 'error', code: 'target-unreachable', subject: place, message, ...(hint ? { hint } : {}) }
}
