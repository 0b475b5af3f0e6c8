import { quoteIdentifier, quoteLiteral, type Session } from '../../../../clients/postgres/index.ts'

/**
 * What makes a restored database fit for the statements of anybody. All that could reach out of it is closed for good, in
 * the catalogs of a server that is thrown away: it does not matter then by which way (a call, an operator, a view, a type,
 * the planner) somebody gets there.
 */

/** https://www.postgresql.org/docs/current/system-catalog-initial-data.html: what initdb makes has lower ids. */
const FIRST_OWN_OID = 16_384

const IS_MEMBER = (relation: string, alias: string): string =>
  `EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
    WHERE d.classid = '${relation}'::regclass AND d.objid = ${alias}.oid AND d.deptype = 'e'`

/** Those that any user may install, by PostgreSQL's own word: their functions compute and do nothing else. */
const IS_TRUSTED = `EXISTS (SELECT FROM pg_available_extension_versions v
  WHERE v.name = e.extname AND v.version = e.extversion AND v.trusted)`

/**
 * By which values are read and written as text, and indexes are read: without these a table could not be shown. Only what an
 * extension uses so itself: a dump can make types and operator classes of any function.
 */
const READS_VALUES = `(
  f.oid IN (SELECT unnest(ARRAY[typinput::oid, typoutput, typreceive, typsend, typmodin, typmodout]) FROM pg_type t
    WHERE ${IS_MEMBER('pg_type', 't')}))
  OR f.oid IN (SELECT amhandler FROM pg_am a WHERE ${IS_MEMBER('pg_am', 'a')}))
  OR f.oid IN (SELECT amproc FROM pg_amproc JOIN pg_opfamily o ON amprocfamily = o.oid
    WHERE ${IS_MEMBER('pg_opfamily', 'o')})))`

/** Of the shared catalogs; before anybody connects to the database, which may have settings that keep us out. */
export async function openDatabase(session: Session, database: string): Promise<void> {
  await session.query(
    `UPDATE pg_database SET datallowconn = true, datconnlimit = -1 WHERE datname = ${quoteLiteral(database)};
     UPDATE pg_db_role_setting SET setconfig = ARRAY(SELECT s FROM unnest(setconfig) s WHERE s LIKE 'search_path=%');
     DELETE FROM pg_db_role_setting WHERE setrole <> 0 OR setconfig = '{}'`,
  )
}

/** @param owner gets what would stay the superuser's: a view reads with the rights of its owner */
export async function confineDatabase(session: Session, database: string, owner: string): Promise<void> {
  await session.query(STOP_TRIGGERS)
  await session.query(CLOSE_FUNCTIONS)
  await session.query(RESET_RIGHTS)
  await session.query(`${CLOSE_SERVERS}; ${giveAway(owner)}; ${LET_READ}`)
  const name = quoteIdentifier(database)
  await session.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC; GRANT CONNECT ON DATABASE ${name} TO PUBLIC`)
}

/** Those of the dump would run with our rights, now and at every login. */
const STOP_TRIGGERS = `UPDATE pg_event_trigger SET evtenabled = 'D'`

/**
 * Whatever runs code that PostgreSQL does not confine, but for what trusted extensions bring, becomes a function that is not
 * there. What is left runs with the rights of whoever calls it, never with its owner's.
 */
const CLOSE_FUNCTIONS = `
  UPDATE pg_proc f SET prosrc = 'closed in this copy', probin = NULL,
    prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal')
  WHERE f.oid >= ${FIRST_OWN_OID} AND f.prolang IN (SELECT oid FROM pg_language WHERE NOT lanpltrusted)
    AND NOT ${IS_MEMBER('pg_proc', 'f')} AND (${IS_TRUSTED} OR ${READS_VALUES}));
  UPDATE pg_proc SET prosecdef = false WHERE prosecdef`

/**
 * A dump may bring grants on what PostgreSQL itself keeps closed: files, passwords, settings. Before version 16 it let anybody
 * write large objects in a transaction that may only read.
 */
const RESET_RIGHTS = `
  UPDATE pg_proc p SET proacl = ${initialRights('pg_proc', 'p')} WHERE oid < ${FIRST_OWN_OID};
  UPDATE pg_class p SET relacl = ${initialRights('pg_class', 'p')} WHERE oid < ${FIRST_OWN_OID};
  UPDATE pg_attribute a SET attacl = (SELECT initprivs FROM pg_init_privs
    WHERE classoid = 'pg_class'::regclass AND objoid = a.attrelid AND objsubid = a.attnum AND privtype = 'i')
  WHERE attrelid < ${FIRST_OWN_OID};
  UPDATE pg_proc SET proacl = ARRAY[makeaclitem(10, 10, 'EXECUTE', false)] WHERE oid < ${FIRST_OWN_OID} AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea',
    'lo_put', 'lo_truncate', 'lo_truncate64', 'lo_unlink', 'lowrite')`

function initialRights(relation: string, alias: string): string {
  return `(SELECT initprivs FROM pg_init_privs WHERE classoid = '${relation}'::regclass AND objoid = ${alias}.oid
    AND objsubid = 0 AND privtype = 'i')`
}

/** Foreign tables reach another server; their mappings hold its passwords. */
const CLOSE_SERVERS = `
  UPDATE pg_foreign_data_wrapper SET fdwhandler = 0, fdwvalidator = 0;
  DELETE FROM pg_user_mapping`

function giveAway(owner: string): string {
  return `DO $$ DECLARE r regclass; BEGIN
    FOR r IN SELECT c.oid FROM pg_class c WHERE c.oid >= ${FIRST_OWN_OID} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND c.relowner = 10 AND NOT ${IS_MEMBER('pg_class', 'c')})
    LOOP EXECUTE format('ALTER TABLE %s OWNER TO ${quoteIdentifier(owner)}', r); END LOOP; END $$`
}

/** To all roles, for there is one that can log in; the owners of views have to read what they read where they came from. */
const LET_READ = `DO $$ DECLARE s name; BEGIN
    FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
      EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', s);
      EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', s);
      EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO PUBLIC', s);
      EXECUTE format('GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO PUBLIC', s);
      EXECUTE format('GRANT EXECUTE ON ALL ROUTINES IN SCHEMA %I TO PUBLIC', s);
    END LOOP; END $$`
