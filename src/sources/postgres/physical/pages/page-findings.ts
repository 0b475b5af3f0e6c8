import type { Session } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { type RelationFile, relationOf } from '../capture/cluster-files.ts'
import { type ClusterFacts, findRelationName } from '../cluster-facts.ts'
import type { PageDamage } from './page-verifier.ts'

/** Opens a connection, to the database that is configured or to another of the same cluster. */
export type Connect = (database?: string) => Promise<Session>

/** One finding a damaged file, with the relation's name where the server can still tell it. */
export async function describeDamage(
  damage: readonly PageDamage[],
  session: Session,
  connect: Connect,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { path, blocks, count } of damage) {
    const relation = relationOf(path)
    const name = relation && (await nameRelation(relation, session, connect).catch(() => undefined))
    const more = count > blocks.length ? ` and ${count - blocks.length} more` : ''
    findings.push({
      severity: 'error',
      code: 'page-damaged',
      subject: name === undefined ? path : `relation ${name}`,
      message: `page checksum is wrong in ${path}, block ${blocks.join(', ')}${more}`,
      hint: 'The copy holds the page as it is on the disk. Look at the disk, then restore the table from an earlier snapshot; pg_amcheck tells what else suffers.',
      affects: [path],
    })
  }
  return findings
}

async function nameRelation(relation: RelationFile, session: Session, connect: Connect): Promise<string | undefined> {
  const suffix = relation.fork === 'main' ? '' : ` (${relation.fork})`
  const withFork = (name: string | undefined): string | undefined => (name === undefined ? undefined : name + suffix)
  if (relation.database === 0) return withFork(await findRelationName(session, relation.tablespace, relation.filenode))
  const [row] = await session.query<{ datname: string }>('SELECT datname FROM pg_database WHERE oid = $1::oid', [
    relation.database,
  ])
  const database = row?.datname
  if (database === undefined) return undefined
  const there = await connect(database)
  try {
    const name = await findRelationName(there, relation.tablespace, relation.filenode)
    return name === undefined ? undefined : withFork(`${database}.${name}`)
  } finally {
    await there.close()
  }
}

/** What is worth knowing of the cluster itself. */
export function describeFacts(facts: ClusterFacts): Finding[] {
  const findings: Finding[] = []
  if (!facts.checksums) {
    findings.push({
      severity: 'info',
      code: 'checksums-off',
      subject: `cluster ${facts.systemIdentifier}`,
      message: 'the cluster has no data checksums, so damaged pages were not looked for',
      hint: 'Stop the server, run "pg_checksums --enable -D" on its data directory, start it again.',
    })
  }
  if (facts.settingsElsewhere.length > 0) {
    findings.push({
      severity: 'info',
      code: 'settings-elsewhere',
      subject: `cluster ${facts.systemIdentifier}`,
      message: `settings lie outside of the data directory: ${facts.settingsElsewhere.join(', ')}`,
      hint: 'Back their folder up too, as a source of kind "files".',
    })
  }
  return findings
}

export function skippedFinding(path: string): Finding {
  return {
    severity: 'warning',
    code: 'file-skipped',
    subject: path,
    message: 'neither a file nor a folder of PostgreSQL, so it is not in the backup',
  }
}
