import { systemClock } from '../../../../base/clock.ts'
import { AppError, isAppError, messageOf } from '../../../../base/errors.ts'
import { quoteIdentifier, quoteLiteral, type Session, withSession } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'

/** On a kept database: the subscriptions that we disabled, as JSON. Whoever puts it back enables them again. */
const DISABLED_SETTING = 'lifeboat.disabled_subscriptions'
/** A consumer that was just sent away holds its slot for a moment. */
const SLOT_PATIENCE_MS = 5000
const ROUND_MS = 100

interface Subscription {
  readonly database: string
  readonly name: string
  readonly enabled: boolean
  readonly slot: string | null
}

/** Logical replication slots of databases. */
async function listSlots(admin: Session, databases: readonly string[]) {
  return await admin.query<{ database: string; name: string; active_pid: number | null }>(
    `SELECT database::text, slot_name::text AS name, active_pid FROM pg_replication_slots
     WHERE slot_type = 'logical' AND NOT temporary AND database = ANY($1) ORDER BY 2`,
    [databases],
  )
}

/** All of the server: the catalog is shared, and all but how they connect is for everybody to read. */
async function listSubscriptions(admin: Session): Promise<Subscription[]> {
  return await admin.query<Subscription & Record<string, unknown>>(
    `SELECT d.datname::text AS database, s.subname::text AS name, s.subenabled AS enabled, s.subslotname::text AS slot
     FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid ORDER BY 1, 2`,
  )
}

/** What replicates from or into databases that are about to be replaced, and what becomes of it. */
export async function surveyReplication(admin: Session, databases: readonly string[]): Promise<Finding[]> {
  const slots = (await listSlots(admin, databases)).map(
    ({ database, name }): Finding => ({
      severity: 'warning',
      code: 'target-has-slot',
      subject: `database ${database}`,
      message: `its replication slot ${name} will be dropped: a consumer of its changes cannot follow into the restored database`,
      hint: `Afterwards let the consumer of ${name} copy everything anew. An undo does not bring the slot back.`,
    }),
  )
  const subscriptions = (await listSubscriptions(admin)).filter(({ database }) => databases.includes(database))
  return [
    ...slots,
    ...subscriptions.map(
      ({ database, name, enabled }): Finding => ({
        severity: 'warning',
        code: 'target-has-subscription',
        subject: `database ${database}`,
        message: enabled
          ? `its subscription ${name} will be disabled, in what is kept and in what is restored; an undo enables it again, unless the restored one was enabled meanwhile`
          : `its subscription ${name} is disabled, and stays so in what is restored`,
        hint: `Decide which of the two goes on: ALTER SUBSCRIPTION ${quoteIdentifier(name)} ENABLE; never both, for they share a slot.`,
      }),
    ),
  ]
}

/**
 * Once databases were renamed to be kept: their slots would hold the server's log for ever, and their subscriptions would
 * go on receiving. May be done again. What this role may not do is told with the statements that do it.
 */
export async function quietKept(admin: Session, databases: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { database, name } of await listSlots(admin, databases)) {
    const failure = await dropSlot(admin, database, name).catch((error: unknown) => error)
    if (failure === undefined) continue
    const statement = `SELECT pg_drop_replication_slot(${quoteLiteral(name)});`
    findings.push(notDone('slot-kept', database, `slot ${name} holds the log of the server`, statement, failure))
  }
  const enabled = (await listSubscriptions(admin)).filter(each => each.enabled && databases.includes(each.database))
  for (const database of new Set(enabled.map(each => each.database))) {
    const names = enabled.filter(each => each.database === database).map(({ name }) => name)
    const statements = names.map(name => `ALTER SUBSCRIPTION ${quoteIdentifier(name)} DISABLE;`).join(' ')
    const failure = await disable(admin, database, names, statements).catch((error: unknown) => error)
    if (failure === undefined) continue
    findings.push(
      notDone('subscription-kept', database, `${names.join(', ')} goes on receiving`, `${statements} in it`, failure),
    )
  }
  return findings
}

async function dropSlot(admin: Session, database: string, name: string): Promise<undefined> {
  const until = systemClock.monotonicMs() + SLOT_PATIENCE_MS
  for (;;) {
    const slot = (await listSlots(admin, [database])).find(each => each.name === name)
    if (slot === undefined) return undefined
    if (slot.active_pid === null) {
      await admin.query('SELECT pg_drop_replication_slot($1)', [name])
      return undefined
    }
    if (systemClock.monotonicMs() > until) throw new AppError('target-in-use', `process ${slot.active_pid} uses it`)
    await admin.query('SELECT pg_terminate_backend($1)', [slot.active_pid])
    await systemClock.sleep(ROUND_MS)
  }
}

/** The note comes first: one that names too many does no harm, one that names too few would forget a subscription. */
async function disable(
  admin: Session,
  database: string,
  names: readonly string[],
  statements: string,
): Promise<undefined> {
  const noted = [...new Set([...(await readNote(admin, database)), ...names])]
  const own = quoteIdentifier(database)
  await admin.query(`ALTER DATABASE ${own} SET ${DISABLED_SETTING} = ${quoteLiteral(JSON.stringify(noted))}`)
  await withSession(admin.settings, { database }, session => session.query(statements))
  return undefined
}

async function readNote(admin: Session, database: string): Promise<string[]> {
  const [row] = await admin.query<{ setting: string }>(
    `SELECT setting FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) setting
     WHERE s.setrole = 0 AND d.datname = $1 AND setting LIKE $2`,
    [database, `${DISABLED_SETTING}=%`],
  )
  if (row === undefined) return []
  const value: unknown = JSON.parse(row.setting.slice(DISABLED_SETTING.length + 1))
  return Array.isArray(value) ? value.filter(name => typeof name === 'string') : []
}

/**
 * Once kept databases have their names back: enables what `quietKept` disabled. Not where another subscription uses the
 * same slot of the publisher by now: it has taken changes that this one would miss without a word.
 */
export async function wakeReturned(admin: Session, databases: readonly string[]): Promise<void> {
  for (const database of databases) {
    const noted = await readNote(admin, database)
    if (noted.length === 0) continue
    const all = await listSubscriptions(admin)
    const free = all.filter(
      each =>
        each.database === database &&
        noted.includes(each.name) &&
        !all.some(other => other.database !== database && other.enabled && other.slot === each.slot),
    )
    const statements = free.map(({ name }) => `ALTER SUBSCRIPTION ${quoteIdentifier(name)} ENABLE;`).join(' ')
    if (statements !== '') await withSession(admin.settings, { database }, session => session.query(statements))
    await admin.query(`ALTER DATABASE ${quoteIdentifier(database)} RESET ${DISABLED_SETTING}`)
  }
}

/**
 * Drops a database with its sessions, slots and subscriptions, which else keep it from being dropped. The publisher's
 * slot stays: the subscription of another copy may use it.
 */
export async function dropDatabase(admin: Session, name: string): Promise<void> {
  for (const slot of await listSlots(admin, [name])) await dropSlot(admin, name, slot.name)
  const subscriptions = (await listSubscriptions(admin)).filter(each => each.database === name)
  if (subscriptions.length > 0) {
    const statements = subscriptions.map(each => {
      const own = quoteIdentifier(each.name)
      return `ALTER SUBSCRIPTION ${own} DISABLE; ALTER SUBSCRIPTION ${own} SET (slot_name = NONE); DROP SUBSCRIPTION ${own};`
    })
    await withSession(admin.settings, { database: name }, session => session.query(statements.join(' ')))
  }
  await admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`)
}

function notDone(code: string, database: string, what: string, statement: string, failure: unknown): Finding {
  const why = isAppError(failure) ? failure.message : messageOf(failure)
  return {
    severity: 'warning',
    code,
    subject: `database ${database}`,
    message: `${what}, and could not be stopped: ${why}`,
    hint: `As a superuser run: ${statement}`,
  }
}
