import { databaseArgument } from '../../../../clients/postgres/index.ts'
import type { BackupType } from '../../../../model/manifest.ts'
import type { PostgresOptions } from '../../options.ts'
import type { DatabasePlan } from '../plan.ts'

/** For a person who has these files and nothing else: how they become databases again. */
export function restoreNotes(
  databases: ReadonlyArray<{ readonly settings: { readonly database: string }; readonly plan: DatabasePlan }>,
  init: {
    readonly options: PostgresOptions
    readonly tools: { readonly major: number }
    readonly request: { readonly type: BackupType }
  },
): string {
  const lines = [
    'These are PostgreSQL databases as pg_dump writes them. Without Lifeboat they come back like this,',
    `with the programs of PostgreSQL ${init.tools.major} or newer, in this folder:`,
    '',
  ]
  if (init.options.globals)
    lines.push(
      '  # roles and their grants; errors about roles that exist are fine',
      '  psql -X -f globals.sql postgres',
      '',
    )
  for (const { settings, plan } of databases) {
    lines.push(...commandsFor(settings.database, plan, init.request.type), '')
  }
  lines.push(
    'NAME.schema.sql is the schema as text, for reading and comparing. The time that "pg_restore --list" shows is not',
    'real: it is always 2000-01-01, so that the same data is stored only once.',
  )
  return `${lines.join('\n')}\n`
}

function commandsFor(database: string, plan: DatabasePlan, type: BackupType): string[] {
  // What follows -d may be a connection string, and is read as one where it looks like it.
  const target = isPlain(database) ? database : quote(databaseArgument(database))
  if (type === 'data') {
    const archives = [plan.main, ...plan.parts]
    return [
      '  # rows only: the tables must be there, and empty',
      ...archives.map(
        each => `  pg_restore --exit-on-error --data-only --disable-triggers -d ${target} ${quote(each.path)}`,
      ),
    ]
  }
  const create = `  createdb -T template0 ${isPlain(database) ? database : `-- ${quote(database)}`}`
  if (plan.parts.length === 0) return [create, `  pg_restore --exit-on-error -d ${target} ${quote(plan.main.path)}`]
  return [
    create,
    `  pg_restore --exit-on-error --section=pre-data --section=data -d ${target} ${quote(plan.main.path)}`,
    ...plan.parts.map(part => `  pg_restore --exit-on-error --data-only -d ${target} ${quote(part.path)}`),
    `  pg_restore --exit-on-error --section=post-data -d ${target} ${quote(plan.main.path)}`,
  ]
}

function isPlain(word: string): boolean {
  return /^[\w.%/-]+$/.test(word) && !word.startsWith('-')
}

function quote(word: string): string {
  return isPlain(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
