import { quoteIdentifier, type Session, withSession } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { ManifestServerDatabase, ManifestTable } from '../../../../model/manifest.ts'
import type { TargetRequest } from '../../../target.ts'
import { missingExtensions } from '../restore/extensions.ts'
import { anyTable, matchesName } from '../tables/table-pattern.ts'
import { chooseTargets } from './choose-targets.ts'
import type { SessionGroup } from './sessions.ts'
import { surveyArchives } from './survey-archives.ts'

export interface Rights {
  readonly superuser: boolean
  readonly createDatabases: boolean
  /** A standby, or a role that is set to read only. */
  readonly standby: boolean
  /** By default: a session may set it otherwise, but somebody meant it so. */
  readonly readOnly: boolean
}

/** One database that a restore would make or replace. */
export interface SurveyedDatabase {
  readonly name: string
  readonly exists: boolean
  readonly sizeBytes: number | undefined
  /** Undefined where we may not connect to it. */
  readonly tables: readonly ManifestTable[] | undefined
  readonly findings: readonly Finding[]
}

export interface Surveyed {
  readonly request: TargetRequest
  readonly names: readonly string[]
  readonly sessions: readonly SessionGroup[]
  readonly databases: readonly SurveyedDatabase[]
}

export async function readRights(admin: Session): Promise<Rights> {
  const [row] = await admin.query<Rights & Record<string, unknown>>(
    `SELECT rolsuper AS superuser, rolcreatedb OR rolsuper AS "createDatabases",
       pg_is_in_recovery() AS standby,
       (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only') AS "readOnly" FROM pg_roles WHERE rolname = current_user`,
  )
  return row ?? { superuser: false, createDatabases: false, standby: false, readOnly: false }
}

/** All that the server would refuse, each with the statement that mends it. */
export async function refusals(admin: Session, rights: Rights, surveyed: Surveyed): Promise<Finding[]> {
  const { request } = surveyed
  const subject = `server ${admin.settings.host}:${admin.settings.port}`
  const findings = [...olderEngine(admin, subject, request)]
  const locked = rights.standby
    ? { message: 'it is a standby, and takes no changes', hint: 'Name the primary server in the url.' }
    : rights.readOnly
      ? {
          message: `user ${admin.settings.user} is read-only by default there (default_transaction_read_only)`,
          hint: `Where it may change the target, run: ALTER ROLE ${quoteIdentifier(admin.settings.user)} SET default_transaction_read_only = off; or name another user in the url.`,
        }
      : undefined
  if (locked !== undefined) findings.push({ severity: 'error', code: 'target-not-writable', subject, ...locked })
  findings.push(...(await lackingExtensions(admin, request)))
  if (isIntoTables(request)) findings.push(...(await foreignTables(admin, surveyed)))
  else {
    findings.push(...(await replaceRefusals(admin, rights, surveyed)))
    findings.push(...(await surveyArchives(admin, rights.superuser, request)))
  }
  return findings
}

/** Who is connected now: a replacement ends these sessions. */
export function connectedFinding(subject: string, sessions: readonly SessionGroup[]): Finding[] {
  const total = sessions.reduce((sum, each) => sum + each.count, 0)
  if (total === 0) return []
  const counts = new Map<string, number>()
  for (const { application, role, count } of sessions) {
    const who = application === '' ? `(${role})` : application
    counts.set(who, (counts.get(who) ?? 0) + count)
  }
  const who = [...counts].map(([name, count]) => `${count} ${name}`).join(', ')
  const message = total === 1 ? `1 session is connected now: ${who}` : `${total} sessions are connected now: ${who}`
  return [{ severity: 'info', code: 'target-connections', subject, message }]
}

function isIntoTables({ selection, coming }: TargetRequest): boolean {
  const { tables = [], schemas = [], part } = selection ?? {}
  return tables.length > 0 || schemas.length > 0 || part === 'data' || coming?.manifest?.type === 'data'
}

function* olderEngine(admin: Session, subject: string, { coming }: TargetRequest): Generator<Finding> {
  const version = coming?.engineVersion
  const [, engine, major] = /^(\D+?) ?(\d+)/.exec(version ?? '') ?? []
  if (version === undefined || engine === undefined) return
  if (engine !== 'PostgreSQL') {
    const message = `the recovery point is of ${version}, and this is PostgreSQL`
    yield {
      severity: 'error',
      code: 'target-other-engine',
      subject,
      message,
      hint: `Name a target of ${engine} with --to.`,
    }
  } else if (Number(major) > Math.floor(admin.versionNumber / 10_000)) {
    yield {
      severity: 'error',
      code: 'target-older-engine',
      subject,
      message: `it is PostgreSQL ${admin.version}, older than ${version} of the recovery point`,
      hint: `Restore to a server of PostgreSQL ${major} or newer.`,
    }
  }
}

function comingDatabases(request: TargetRequest): ManifestServerDatabase[] {
  const databases = request.coming?.manifest?.database?.databases
  return databases === undefined ? [] : chooseTargets(request, databases).map(each => each.database)
}

async function lackingExtensions(admin: Session, request: TargetRequest): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const database of comingDatabases(request)) {
    const lacking = await missingExtensions(admin, database)
    if (lacking === undefined) continue
    const { message, hint } = lacking
    findings.push({ severity: 'error', code: 'target-extension-missing', subject: database.name, message, hint })
  }
  return findings
}

const TARGETS = `
SELECT d.datname AS name, pg_has_role(d.datdba, 'USAGE') AS owned, pg_get_userbyid(d.datdba) AS owner,
  t.spcname AS tablespace, d.dattablespace = (SELECT dattablespace FROM pg_database WHERE datname = 'template0')
    OR has_tablespace_privilege(t.oid, 'CREATE') AS "mayPlace",
  (SELECT count(*)::int FROM pg_prepared_xacts p WHERE p.database = d.datname) AS prepared
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = ANY($1)`

interface TargetRow {
  readonly name: string
  readonly owned: boolean
  readonly owner: string
  readonly tablespace: string
  readonly mayPlace: boolean
  readonly prepared: number
}

async function replaceRefusals(admin: Session, rights: Rights, { names, sessions }: Surveyed): Promise<Finding[]> {
  const user = quoteIdentifier(admin.settings.user)
  const lacks = (subject: string, message: string, hint: string): Finding => ({
    severity: 'error',
    code: 'target-privilege-missing',
    subject,
    message,
    hint: `As a superuser run: ${hint}`,
  })
  const findings: Finding[] = []
  if (!rights.createDatabases) {
    const message = `user ${admin.settings.user} may not create databases`
    findings.push(lacks(`user ${admin.settings.user}`, message, `ALTER ROLE ${user} CREATEDB;`))
  }
  for (const row of await admin.query<TargetRow & Record<string, unknown>>(TARGETS, [names])) {
    const subject = `database ${row.name}`
    if (!row.owned) {
      const message = `user ${admin.settings.user} does not own it, and may not rename it: it belongs to ${row.owner}`
      findings.push(lacks(subject, message, `GRANT ${quoteIdentifier(row.owner)} TO ${user};`))
    }
    if (!row.mayPlace) {
      const message = `user ${admin.settings.user} may not create a database in its tablespace ${row.tablespace}`
      findings.push(
        lacks(subject, message, `GRANT CREATE ON TABLESPACE ${quoteIdentifier(row.tablespace)} TO ${user};`),
      )
    }
    if (row.prepared > 0) {
      findings.push({
        severity: 'error',
        code: 'target-in-use',
        subject,
        message: `${row.prepared} prepared transactions hold it`,
        hint: 'Commit or roll them back (pg_prepared_xacts names them).',
      })
    }
  }
  const fixed = sessions.filter(each => !each.mayEnd)
  if (fixed.length > 0) {
    const who = [...new Set(fixed.map(each => each.role))].join(', ')
    findings.push({
      severity: 'error',
      code: 'target-in-use',
      subject: `database ${fixed[0]?.database ?? ''}`,
      message: `user ${admin.settings.user} may not end the sessions of ${who}`,
      hint: `Stop what is connected, or as a superuser run: GRANT pg_signal_backend TO ${user}; (a superuser's sessions only a superuser can end).`,
    })
  }
  return findings
}

/** Rows are replaced under a lock, with keys and triggers put aside: only the owner may do that. */
async function foreignTables(admin: Session, { request, databases }: Surveyed): Promise<Finding[]> {
  const findings: Finding[] = []
  const { tables = [], schemas = [] } = request.selection ?? {}
  const isNamed = anyTable(tables)
  const isWanted = (schema: string, name: string): boolean =>
    tables.length + schemas.length === 0 ||
    isNamed({ schema, name }) ||
    schemas.some(pattern => matchesName(pattern, schema))
  for (const { name: database, exists } of databases) {
    if (!exists) {
      findings.push({
        severity: 'error',
        code: 'target-invalid',
        subject: `database ${database}`,
        message: 'there is no such database to restore tables into',
        hint: 'Create it, or restore the whole snapshot to it.',
      })
      continue
    }
    const rows = await withSession(admin.settings, { database, signal: request.signal }, session =>
      session.query<{ schema: string; name: string; owner: string }>(
        `SELECT n.nspname AS schema, c.relname AS name, pg_get_userbyid(c.relowner) AS owner
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
           AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1, 2`,
      ),
    )
    const foreign = rows.filter(row => isWanted(row.schema, row.name))
    const [first] = foreign
    if (first === undefined) continue
    const user = admin.settings.user
    findings.push({
      severity: 'error',
      code: 'target-privilege-missing',
      subject: `database ${database}`,
      message: `user ${user} does not own ${first.schema}.${first.name}${foreign.length > 1 ? ` and ${foreign.length - 1} more tables` : ''}`,
      hint: `As a superuser run: GRANT ${quoteIdentifier(first.owner)} TO ${quoteIdentifier(user)};`,
      affects: foreign.map(row => `${row.schema}.${row.name}`),
    })
  }
  return findings
}
