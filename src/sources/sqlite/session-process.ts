import type { DatabaseSync } from 'node:sqlite'
import { askDatabase } from './ask-database.ts'
import { checkDatabase } from './check-database.ts'
import { Comparison } from './comparing/compare-table.ts'
import { copyDatabase } from './copy-database.ts'
import { describeDatabase } from './describe-database.ts'
import { dumpData, dumpSchema } from './dump.ts'
import { foldLog, holdAlone, holdWrites } from './hold.ts'
import { judgeDatabase, judgeFile, judgeReadOnly } from './integrity.ts'
import { MaskedCopy } from './masking/copy-masked.ts'
import { listIndexes, renewIndexes } from './merging/beside-rows.ts'
import { openMerge, readAsText } from './merging/open-merge.ts'
import { openPrivate, pinDatabase, removeEmptyWal } from './pin.ts'
import { announceTables, beginTables, replaceTables } from './replace-tables.ts'
import { runSchema } from './run-schema.ts'
import { putTriggersAside } from './schema-lines.ts'
import type { CallName, Fault, SessionCalls, SessionRequest } from './session-protocol.ts'

/** The other end of `session.ts`: one process, one database, calls in order. */
class SessionProcess {
  #db: DatabaseSync | undefined
  /** The connection can't write. */
  #reads = false
  #pieces: Iterator<Uint8Array> | undefined
  #copy: MaskedCopy | undefined
  #putTriggersBack: (() => void) | undefined
  #comparison: Comparison | undefined

  readonly calls: {
    [Name in CallName]: (
      ask: SessionCalls[Name]['ask'],
    ) => SessionCalls[Name]['answer'] | Promise<SessionCalls[Name]['answer']>
  } = {
    pin: ({ path, waitMs }) => {
      const { db, pinned } = pinDatabase(path, waitMs)
      this.#db = db
      this.#reads = true
      return pinned
    },
    release: () => {
      if (this.#db?.isTransaction) this.#db.exec('ROLLBACK')
      return null
    },
    tidy: ({ path }) => {
      this.#database.close()
      this.#db = undefined
      removeEmptyWal(path)
      return null
    },
    describe: ask => describeDatabase(this.#database, ask),
    judge: ({ check, path }) => {
      if (path !== undefined) return judgeFile(path, check)
      return this.#reads ? judgeReadOnly(this.#database, check) : judgeDatabase(this.#database, check)
    },
    copy: async ({ path, into, waitMs }) => {
      await copyDatabase(path, into, waitMs)
      return null
    },
    openPrivate: ({ path }) => {
      this.#db = openPrivate(path)
      this.#reads = false
      return null
    },
    dump: ({ part }) => {
      this.#pieces ??= part === 'schema' ? dumpSchema(this.#database) : dumpData(this.#database)
      const next = this.#pieces.next()
      return next.done ? new Uint8Array(0) : next.value
    },
    run: ({ sql }) => {
      runSchema(this.#database, sql)
      return null
    },
    check: ({ expected }) => checkDatabase(this.#database, expected),
    beginTables: ask => {
      this.#db = beginTables(ask)
      return null
    },
    announceTables: ask => announceTables(this.#database, ask),
    replaceTables: ask => replaceTables(this.#database, ask),
    ask: ({ path, sql, limit }) => askDatabase(path, sql, limit),
    openStaged: ({ staged, into }) => {
      this.#copy = new MaskedCopy(staged, into)
      return this.#copy.tables
    },
    copyMasked: ask => {
      if (!this.#copy) throw new Error('nothing is staged')
      return this.#copy.run(ask)
    },
    holdAlone: ({ path, waitMs }) => {
      this.#db = holdAlone(path, waitMs)
      return this.#db !== undefined
    },
    foldLog: () => foldLog(this.#database),
    holdWrites: ({ path, waitMs }) => {
      this.#db = holdWrites(path, waitMs)
      return this.#db !== undefined
    },
    openMerge: files => {
      const { db, tables } = openMerge(files)
      this.#db = db
      return tables
    },
    change: ({ sql }) => Number(this.#database.prepare(sql).run().changes),
    putTriggersAside: () => {
      this.#putTriggersBack = putTriggersAside(this.#database)
      return null
    },
    putTriggersBack: () => {
      this.#putTriggersBack?.()
      return null
    },
    renewIndexes: ({ changed }) => renewIndexes(this.#database, listIndexes(this.#database), changed),
    rows: ({ sql }) => readAsText(this.#database, sql),
    openComparison: ({ other, main }) => {
      this.#comparison = new Comparison(this.#database, other, main)
      return this.#comparison.tables
    },
    compareTable: ask => {
      if (!this.#comparison) throw new Error('there is nothing to compare with')
      return this.#comparison.compare(ask)
    },
    settle: () => {
      this.#database.close()
      this.#db = undefined
      return null
    },
  }

  get #database(): DatabaseSync {
    if (!this.#db) throw new Error('no database is open')
    return this.#db
  }
}

function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) {
    return { message: String(error), sqliteCode: undefined, systemCode: undefined, stack: undefined }
  }
  const sqliteCode = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
  const systemCode = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return { message: error.message, sqliteCode, systemCode, stack: error.stack }
}

const session = new SessionProcess()

async function answer(request: SessionRequest): Promise<void> {
  try {
    const call = session.calls[request.call] as (ask: unknown) => unknown
    process.send?.({ id: request.id, answer: await call(request.ask) })
  } catch (error) {
    process.send?.({ id: request.id, fault: faultOf(error) })
  }
}

// Ctrl-C reaches the whole group; whoever started us decides when we end.
process.on('SIGINT', () => {})
// Killed, not ended: SQLite would remove the log at its database's path, which may be another database's by now.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
let last = Promise.resolve()
process.on('message', message => {
  last = last.then(() => answer(message as SessionRequest))
})
