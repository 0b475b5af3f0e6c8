import { quoteIdentifier, type Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { TargetRequest } from '../../../target.ts'
import { createsRoles } from '../../restore-options.ts'
import { missingTablespaces, type ServerRights, type UnmetNeed, unmetNeeds } from '../archive/archive-needs.ts'
import { Archives } from '../archive/archives.ts'
import { readToc, type TocEntry } from '../archive/toc.ts'
import { GRANTS, named } from '../restore/mending.ts'
import { missingRoles, ungrantableOwners } from '../roles.ts'
import { rolesIn } from '../sql-text.ts'
import { chooseTargets } from './choose-targets.ts'

/** What the archives hold that this role can't bring back here, each with who could. */
export async function surveyArchives(admin: Session, superuser: boolean, request: TargetRequest): Promise<Finding[]> {
  const databases = request.coming?.manifest?.database?.databases
  const reader = await request.coming?.openReader?.()
  if (databases === undefined || reader === undefined) return []
  const archives = await Archives.of(reader)
  const rights = await readServerRights(admin, superuser)
  const findings: Finding[] = []
  for (const { database, target } of chooseTargets(request, databases)) {
    const [main = ''] = database.archives
    if (!archives.has(main)) continue
    const toc = await readToc(archives.read(main))
    findings.push(...unmetNeeds(toc, rights).map(need => needFinding(need, target)))
    findings.push(...(await ownersFinding(admin, request, database, toc, target)))
    const lacking = missingTablespaces(toc, rights.tablespaces)
    if (lacking.length > 0) findings.push(tablespacesFinding(`database ${target}`, lacking))
  }
  return findings
}

export function tablespacesFinding(subject: string, missing: readonly string[]): Finding {
  return {
    severity: 'warning',
    code: 'tablespace-missing',
    subject,
    message: `the server lacks the tablespace ${missing.join(', ')}: all comes to the database's own`,
    affects: missing,
  }
}

export async function listTablespaces(admin: Session): Promise<Set<string>> {
  const rows = await admin.query<{ name: string }>('SELECT spcname AS name FROM pg_tablespace')
  return new Set(rows.map(row => row.name))
}

async function readServerRights(admin: Session, superuser: boolean): Promise<ServerRights> {
  const extensions = await admin.query<{ name: string }>(
    'SELECT DISTINCT name FROM pg_available_extension_versions WHERE trusted OR NOT superuser',
  )
  const roles = await admin.query<{ name: string; subscribes: boolean }>(
    `SELECT rolname AS name, rolname = 'pg_create_subscription' AND pg_has_role(oid, 'USAGE') AS subscribes FROM pg_roles`,
  )
  return {
    superuser,
    extensions: new Set(extensions.map(row => row.name)),
    roles: new Set(roles.map(row => row.name)),
    tablespaces: await listTablespaces(admin),
    subscriptions: roles.some(row => row.subscribes),
  }
}

function needFinding({ entry, why, tables, without }: UnmetNeed, target: string): Finding {
  const subject = `${named(entry)} of database ${target}`
  const [table] = tables
  if (table !== undefined) {
    const more = tables.length > 1 ? ` and ${tables.length - 1} more` : ''
    return {
      severity: 'error',
      code: 'target-privilege-missing',
      subject,
      message: `${why}, and without it table ${table.schema}.${table.tag}${more} cannot come back`,
      hint: 'Restore as a superuser: --to postgres://SUPERUSER@HOST/DATABASE.',
      affects: tables.map(each => `${each.schema}.${each.tag}`),
    }
  }
  const isPolicy = entry.kind === 'POLICY'
  const left = without === undefined ? 'it will be left out' : `it will come back without ${without.join(', ')}`
  return {
    severity: 'warning',
    code: isPolicy ? 'target-role-missing' : 'target-privilege-missing',
    subject,
    message: `${why}: ${left}`,
    hint: isPolicy
      ? 'Restore as a superuser with --roles, which creates the roles as they were.'
      : 'To have it, restore as a superuser: --to postgres://SUPERUSER@HOST/DATABASE.',
  }
}

/** Roles that own something or were granted it, as they will be left out by the restore. */
async function ownersFinding(
  admin: Session,
  { own }: TargetRequest,
  database: ManifestServerDatabase,
  toc: readonly TocEntry[],
  target: string,
): Promise<Finding[]> {
  if (createsRoles(own)) return []
  const owners = [...new Set([database.owner, ...toc.map(entry => entry.owner)])].filter(owner => owner !== '')
  const granted = toc.flatMap(entry => (GRANTS.has(entry.kind) ? rolesIn(entry.definition ?? '') : []))
  const missing = await missingRoles(admin, [...owners, ...granted])
  const lacking = [...new Set([...missing, ...(await ungrantableOwners(admin, owners))])]
  if (lacking.length === 0) return []
  const user = quoteIdentifier(admin.settings.user)
  return [
    {
      severity: 'warning',
      code: 'target-role-missing',
      subject: `database ${target}`,
      message: `the server lacks ${lacking.join(', ')}, or we may not give to it: what it owns will belong to ${user}, what it was granted will be left out`,
      hint: 'Restore as a superuser, with --roles to create the roles as they were.',
      affects: lacking,
    },
  ]
}
