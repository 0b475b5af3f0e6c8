import { AppError } from '../../../../base/errors.ts'
import { type ConnectionSettings, circumstances, toolError } from '../../../../clients/postgres/index.ts'

const RIGHT = /permission denied|must be owner of|must be superuser|must be member of role|must be able to SET ROLE/
const EXIT = { code: 3, killedBy: undefined }

/** Why psql did not come to the end of the script that restores tables, from what it wrote to stderr. */
export function scriptError(said: string, target: string, settings: ConnectionSettings): AppError {
  const line = said.split('\n').find(each => /ERROR:|FATAL:|error:/.test(each)) ?? said.split('\n')[0] ?? ''
  const what = line.replace(/^.*?(?:ERROR|FATAL|error):\s*/, '').replace(/^lifeboat: /, '')
  const isWaiting = /lifeboat: in use/.test(said)
  const isShort = /lifeboat: .* rows, not/.test(said)
  const doing = `restore tables into ${target}`
  const detail = /^DETAIL: +(?! |Failing row)(.+)$/m.exec(said)?.[1]
  const why = detail === undefined ? what : `${what} (${detail})`
  // What our own script says is all there is: where in it that was helps nobody.
  const where = /lifeboat: /.test(line) ? '' : circumstances(said)
  return new AppError(
    isShort ? 'verification-failed' : isWaiting ? 'target-in-use' : 'target-invalid',
    `cannot ${doing}: ${why}${where}`,
    {
      hint: isWaiting
        ? 'Wait until they are done or end them, or give lockTimeoutSeconds of the source more time; then try again.'
        : (functionHint(what, said, target) ?? hintFor(what, toolError('psql', said, EXIT, settings, doing))),
      context: { said: said.slice(-4000) },
    },
  )
}

/** A function whose body names things without a schema: the application's sessions find them, and ours do not. */
function functionHint(what: string, said: string, target: string): string | undefined {
  const [, sql, plpgsql] = /SQL function "([^"]+)"|PL\/pgSQL function (\S+\(.*?\)) line/.exec(said) ?? []
  const name = plpgsql ?? sql
  if (name === undefined || !/does not exist/.test(what)) return undefined
  return `Run in ${target}, with the schemas that it needs: ALTER FUNCTION ${name} SET search_path = public; then try again. ${ELSEWHERE}`
}

const ELSEWHERE = 'Or restore the whole snapshot to a new database, and take what you need from there.'

function hintFor(what: string, { hint }: AppError): string {
  if (/foreign key/.test(what)) {
    return 'Restore the tables that refer to each other together (--table A --table B), or the whole snapshot to a new database: rows elsewhere need rows that the snapshot does not have.'
  }
  if (/out of shared memory|max_locks_per_transaction/.test(what)) {
    return 'Raise max_locks_per_transaction of the server (four for each table, divided by max_connections) and restart it, restore fewer tables at a time (--table), or the whole snapshot to a new database: in one transaction each table and each of its indexes takes a lock.'
  }
  if (RIGHT.test(what) && hint !== undefined) return hint
  return 'Restore the whole snapshot to a new database, and take what you need from there.'
}
