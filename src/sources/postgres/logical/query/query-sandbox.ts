import { chown, mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../../base/errors.ts'
import { systemRandom } from '../../../../base/random.ts'
import {
  type ConnectionSettings,
  freePort,
  holdsBytes,
  listPostgresTools,
  type PostgresTools,
  quoteIdentifier,
  type RunningServer,
  startServer,
  startTemporaryCluster,
  type TemporaryCluster,
  THROW_AWAY_SETTINGS,
  withSession,
} from '../../../../clients/postgres/index.ts'
import type { ManifestServerDatabase } from '../../../../model/manifest.ts'
import type { CopyAnswer, CopyQuestion, QuerySandbox, QuerySandboxRequest } from '../../../source.ts'
import type { PostgresOptions } from '../../options.ts'
import { socketParent } from '../../socket-parent.ts'
import { Archives } from '../archive/archives.ts'
import { fileName } from '../plan.ts'
import { policyRoles, rolesIn } from '../sql-text.ts'
import { askConfined } from './ask-confined.ts'
import { confineDatabase, openDatabase } from './confine.ts'
import { guardLeftovers, type LeftoversGuard } from './leftovers.ts'

/** Extensions say whether they can be trusted since then. */
const OLDEST_MAJOR = 13

/** Nothing runs in it but what a session does, and no session can fill the disk. */
const CONFINED_SETTINGS = [
  ...THROW_AWAY_SETTINGS,
  'max_connections=10',
  'max_worker_processes=0',
  'max_wal_senders=0',
  'jit=off',
  'shared_preload_libraries=',
  'default_transaction_read_only=on',
  'temp_file_limit=2GB',
  // Large objects have rights of their own, each by itself.
  'lo_compat_privileges=on',
]

/**
 * A server of our own for one copy of one database, on a socket that only its own user reaches. It is restored to by its
 * superuser, whose name nobody knows. Before anybody's statement is run, the database is confined, and the server started
 * anew for one role that owns nothing and may only read. The caller closes it.
 */
export async function openQuerySandbox(request: QuerySandboxRequest, options: PostgresOptions): Promise<QuerySandbox> {
  const database = chooseDatabase(request)
  const tools = await serverTools(request, options)
  const folder = await mkdtemp(join(socketParent(), 'lifeboat-query-'))
  const guard = await guardLeftovers(folder)
  try {
    const superuser = `owner_${systemRandom.bytes(8).toString('hex')}`
    const locks = Math.max(64, database.tables.length)
    const settings = [`max_locks_per_transaction=${locks}`, 'max_logical_replication_workers=0', 'jit=off']
    const cluster = await startTemporaryCluster({
      tools,
      dir: folder,
      superuser,
      settings,
      signal: request.signal,
      onSpawn: guard.tell,
    })
    const server = new QueryServer({ request, database, tools, folder, guard, cluster })
    await server.createRoles()
    return server
  } catch (error) {
    await guard.close()
    throw error
  }
}

interface Parts {
  readonly request: QuerySandboxRequest
  readonly database: ManifestServerDatabase
  readonly tools: PostgresTools
  readonly folder: string
  readonly guard: LeftoversGuard
  readonly cluster: TemporaryCluster
}

class QueryServer implements QuerySandbox {
  readonly target: string
  readonly selection: QuerySandbox['selection']
  readonly #parts: Parts
  readonly #admin: ConnectionSettings
  /** The second one, in which statements are run. */
  #confined: RunningServer | undefined

  constructor(parts: Parts) {
    const { cluster, database, folder } = parts
    this.#parts = parts
    this.#admin = cluster.server.connection
    const [user, name, host] = [this.#admin.user, database.name, folder].map(encodeURIComponent)
    this.target = `postgres://${user}@/${name}?host=${host}&port=${this.#admin.port}&sslmode=disable`
    this.selection = { databases: [database.name] }
  }

  /**
   * All that the dump names, its superusers too, with no rights but over what is theirs. They see all rows, as the
   * superusers among them did: a view must not show fewer than it did.
   */
  async createRoles(): Promise<void> {
    const { request, database } = this.#parts
    const schema = await (await Archives.of(request.snapshot)).readText(`${fileName(database.name)}.schema.sql`)
    const names = new Set([database.owner, ...rolesIn(schema), ...policyRoles(schema)])
    const made = [...names].filter(name => !name.startsWith('pg_') && !holdsBytes(name) && !name.includes('\ufffd'))
    await withSession(this.#admin, { database: 'template1', signal: request.signal }, async session => {
      for (const name of made) await session.query(`CREATE ROLE ${quoteIdentifier(name)} NOLOGIN BYPASSRLS`)
    })
  }

  async query(question: CopyQuestion): Promise<CopyAnswer> {
    const { signal } = this.#parts.request
    this.#confined ??= await this.#restart(await this.#confine())
    const database = this.#parts.database.name
    return await askConfined({ ...this.#confined.connection, database }, question, signal)
  }

  /** The role that may read. */
  async #confine(): Promise<string> {
    const { request, database } = this.#parts
    const { signal } = request
    const reader = `reader_${systemRandom.bytes(8).toString('hex')}`
    const rest = `rest_${systemRandom.bytes(8).toString('hex')}`
    await withSession(this.#admin, { database: 'template1', signal }, async session => {
      await session.query(`CREATE ROLE ${reader} LOGIN NOINHERIT BYPASSRLS; CREATE ROLE ${rest} NOLOGIN BYPASSRLS`)
      await openDatabase(session, database.name)
    })
    await withSession(this.#admin, { database: database.name, signal }, async session => {
      await confineDatabase(session, database.name, rest)
    })
    return reader
  }

  /** Without the sessions and settings of before; nobody but the reader gets in. */
  async #restart(reader: string): Promise<RunningServer> {
    const { cluster, folder, guard, tools, request } = this.#parts
    const { user, dataDir } = cluster
    await cluster.server.stop('fast')
    guard.tell(0)
    const rules = join(folder, 'reader.conf')
    await writeFile(rules, `local all ${reader} trust\n`, { mode: 0o600 })
    if (user) await chown(rules, user.uid, user.gid)
    return await startServer({
      tools,
      dataDir,
      user,
      socketDir: folder,
      port: await freePort(),
      superuser: reader,
      signal: request.signal,
      onSpawn: guard.tell,
      settings: [...CONFINED_SETTINGS, `hba_file=${rules}`],
    })
  }

  async close(): Promise<void> {
    const { cluster, guard } = this.#parts
    try {
      await this.#confined?.stop('immediate')
      await cluster.remove()
    } finally {
      await guard.close()
    }
  }
}

function chooseDatabase({ snapshot, database }: QuerySandboxRequest): ManifestServerDatabase {
  const all = snapshot.manifest?.database?.databases ?? []
  const found = database === undefined ? all[0] : all.find(each => each.name === database)
  if (found !== undefined) return found
  const id = snapshot.id.slice(0, 8)
  if (all.length === 0) {
    throw new AppError('unsupported', `snapshot ${id} does not say which databases it holds`, {
      hint: 'Restore it to a folder with --to DIR, then use pg_restore by hand.',
    })
  }
  throw new AppError('not-found', `snapshot ${id} holds no database ${database}`, {
    hint: `It holds: ${all.map(({ name }) => name).join(', ')}.`,
  })
}

/** Of the server's own version, else the next newer one: what an older one wrote, a newer one reads. */
async function serverTools({ snapshot }: QuerySandboxRequest, { binDir }: PostgresOptions): Promise<PostgresTools> {
  const number = Number(snapshot.manifest?.database?.properties['serverVersionNumber'] ?? 0)
  const major = Math.max(OLDEST_MAJOR, Math.floor(number / 10_000))
  const all = await listPostgresTools(binDir)
  const fit = all.findLast(tools => tools.hasServer && tools.major >= major)
  if (fit !== undefined) return fit
  throw new AppError('tool-missing', `the server programs of PostgreSQL ${major} are not on this machine`, {
    hint: `A query starts a server of its own for the copy: apt-get install postgresql-${major} (or set binDir to their folder).`,
  })
}
