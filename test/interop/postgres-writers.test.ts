import { afterAll, beforeAll, expect, it } from 'vitest'
import { openSession, type Session } from '../../src/clients/postgres/index.ts'
import { merge } from '../../src/operations/merge/merge.ts'
import { LogicalSource } from '../../src/sources/postgres/logical/logical-source.ts'
import { postgresOptions } from '../../src/sources/postgres/options.ts'
import type { Change } from '../../src/sources/source.ts'
import { type DrainedSnapshot, drain, makeContext, makeTempDir, removeDir } from '../helpers/drained-snapshot.ts'
import { describeWithPostgres, startTestCluster, type TestCluster } from '../helpers/postgres-cluster.ts'
import { sourceOf } from '../helpers/postgres-samples.ts'

const KEEP_AS = 'before-1a2b3c4d'
const LONG_MS = 40

type Way = 'replace' | 'table' | 'data' | 'merge'
type Habit = (session: () => Promise<Session>, write: (session: Session) => Promise<void>) => Promise<void>

const inTransaction = async (session: Session, work: () => Promise<void>): Promise<void> => {
  await session.query('BEGIN')
  await work()
  await session.query('COMMIT')
}

/** Each is done again and again; a failure is followed by the next try, as applications do. */
const HABITS: Readonly<Record<string, Habit>> = {
  'holds the database open': async (open, write) => {
    const session = await open()
    for (;;) await write(session)
  },
  'opens, writes and closes': async (open, write) => {
    const session = await open()
    await write(session)
  },
  'short transactions': async (open, write) => {
    const session = await open()
    for (;;) {
      await inTransaction(session, async () => {
        await write(session)
        await write(session)
      })
    }
  },
  'long transactions': async (open, write) => {
    const session = await open()
    for (;;) {
      await inTransaction(session, async () => {
        await write(session)
        await new Promise(resolve => setTimeout(resolve, LONG_MS))
        await write(session)
      })
    }
  },
}

/** Applications of all habits; knows what the server acknowledged. */
class Applications {
  /** By its id: was what there is now there, or what was restored? */
  readonly acknowledged = new Map<number, 'now' | 'then'>()
  readonly #test: TestCluster
  readonly #database: string
  readonly #done = new AbortController()
  readonly #work: Promise<void>[]
  #next = 1000

  constructor(test: TestCluster, database: string) {
    this.#test = test
    this.#database = database
    this.#work = Object.values(HABITS).map(habit => this.#run(habit))
  }

  async more(count: number): Promise<void> {
    const wanted = this.acknowledged.size + count
    while (this.acknowledged.size < wanted) await new Promise(resolve => setTimeout(resolve, 2))
  }

  async stop(): Promise<void> {
    this.#done.abort()
    await Promise.all(this.#work)
  }

  async #run(habit: Habit): Promise<void> {
    while (!this.#done.signal.aborted) {
      let session: Session | undefined
      let pending: Array<readonly [number, 'now' | 'then']> = []
      let isOpen = false
      const open = async (): Promise<Session> => {
        session = await openSession(this.#test.admin, { database: this.#database })
        const query = session.query.bind(session)
        session.query = async <Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]> => {
          if (this.#done.signal.aborted && !isOpen) throw new Error('done')
          const rows = await query(sql, values)
          if (sql === 'BEGIN') isOpen = true
          if (sql === 'COMMIT') isOpen = false
          if (isOpen) return rows as Row[]
          for (const [id, era] of pending) this.acknowledged.set(id, era)
          pending = []
          return rows as Row[]
        }
        return session
      }
      const write = async (on: Session): Promise<void> => {
        const id = ++this.#next
        const wasOpen = isOpen
        isOpen = true
        const [row] = await on.query<{ era: 'now' | 'then' }>(
          'INSERT INTO public.entry VALUES ($1) RETURNING (SELECT name FROM public.era) AS era',
          [id],
        )
        isOpen = wasOpen
        pending.push([id, row?.era ?? 'now'])
        if (!isOpen) await on.query('SELECT 1')
      }
      await habit(open, write).catch(() => {})
      await session?.close()
    }
  }
}

describeWithPostgres('a restore under applications that go on writing', () => {
  let test: TestCluster
  let dir = ''

  beforeAll(async () => {
    test = await startTestCluster()
    dir = await makeTempDir('lb-writers-')
  })
  afterAll(async () => {
    await test.close()
    await removeDir(dir)
  })

  /** As the guard does: nobody writes any more, then what is there is made safe. */
  const safetyOf = async (url: string, { hold, tables }: Change): Promise<DrainedSnapshot> => {
    await hold?.()
    return await drain(sourceOf(url), dir, { tables: tables?.changed })
  }

  const change = async (way: Way, url: string, snapshot: DrainedSnapshot): Promise<DrainedSnapshot | undefined> => {
    let safety: DrainedSnapshot | undefined
    const beforeChange = async (announced: Change): Promise<void> => {
      if (way !== 'replace') safety = await safetyOf(url, announced)
    }
    const context = await makeContext(dir)
    if (way === 'merge') {
      const rules = { tables: { era: { onConflict: 'backup' as const } }, references: {}, triggers: false }
      const source = new LogicalSource('shop', postgresOptions.parse({ url }), { baseDir: '/' })
      await merge({ ...context, source, snapshot: snapshot.reader, rules, dryRun: false, beforeChange })
      return safety
    }
    const selection =
      way === 'table' ? { tables: ['entry', 'era'] } : way === 'data' ? { part: 'data' as const } : undefined
    const what = { target: url, include: [], checks: true, force: true, delta: false, selection, beforeChange }
    const keepAs = way === 'replace' ? KEEP_AS : undefined
    await sourceOf(url).restore({ ...context, ...what, snapshot: snapshot.reader, keepAs })
    return safety
  }

  it.each<Way>(['replace', 'table', 'data', 'merge'])(
    'loses none that was acknowledged: %s',
    async way => {
      const name = `writers_${way}`
      await test.createDatabase(name)
      await test.query(
        name,
        `CREATE TABLE entry (id int PRIMARY KEY); CREATE TABLE era (id int PRIMARY KEY, name text); INSERT INTO era VALUES (1, 'then')`,
      )
      const url = test.url(name)
      const snapshot = await drain(sourceOf(url), dir)
      await test.query(name, `UPDATE era SET name = 'now'`)
      const applications = new Applications(test, name)
      await applications.more(20)
      const safety = await change(way, url, snapshot)
      await applications.more(20)
      await applications.stop()

      const idsOf = async (database: string): Promise<Set<number>> =>
        new Set((await test.query<{ id: number }>(database, 'SELECT id FROM entry')).map(row => row.id))
      const keptIn = way === 'replace' ? `${name}_before_1a2b3c4d` : `${name}_safe`
      if (safety !== undefined) {
        const safe = test.url(`${name}_safe`)
        const whole = { include: [], checks: true, force: false, delta: false }
        await sourceOf(safe).restore({ ...(await makeContext(dir)), ...whole, snapshot: safety.reader, target: safe })
      }
      const [kept, restored] = [await idsOf(keptIn), await idsOf(name)]
      const { acknowledged } = applications
      expect([...acknowledged].filter(([id, era]) => !(era === 'now' ? kept : restored).has(id))).toEqual([])
      expect(new Set(acknowledged.values())).toEqual(new Set(['now', 'then']))
    },
    60_000,
  )
})
