import type { OptionSpec } from '../command.ts'
import { REPORT_OPTION } from '../reports.ts'

/** How a restore is told the moment that a cluster is recovered to. */
const RECOVERY_OPTIONS: readonly OptionSpec[] = [
  { flags: '--at <time>', summary: 'the moment: for a physical postgres source recovered from its log' },
  { flags: '--lsn <position>', summary: 'recover a cluster to this position of its log, like 0/3000028' },
  { flags: '--xid <number>', summary: 'recover a cluster to just after this transaction' },
  { flags: '--name <name>', summary: 'recover a cluster to this restore point' },
  { flags: '--immediate', summary: 'recover a cluster only as far as it takes to be consistent' },
  { flags: '--exclusive', summary: 'stop just before the moment, not just after it' },
  { flags: '--timeline <timeline>', summary: 'along this timeline: a number, current or latest (default: latest)' },
  { flags: '--tablespace <oid=path>', summary: 'put a tablespace (by OID or old path) there', repeat: true },
  { flags: '--start', summary: 'start a server on the restored cluster, on a free port' },
]

export const RESTORE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '--to <path>',
    summary: 'where to: a path, or postgres:///NAME for a database (default: the place of the source)',
    complete: 'files',
  },
  {
    flags: '--target <which>',
    summary: 'db: the place of the source (default); test: its test place, or a temporary one that is removed after',
    choices: ['db', 'test'],
  },
  {
    flags: '--mask <file>',
    summary: 'replace personal data on the way, as this file says (with --target test: the one of the source)',
    complete: 'files',
  },
  { flags: '--keep', summary: 'leave the temporary copy of --target test where it is' },
  {
    flags: '--strategy <how>',
    summary: 'replace what is there (default), or merge: keep it, and add what only the recovery point has',
    choices: ['replace', 'merge'],
  },
  { flags: '-n, --dry-run', summary: 'say what would be done, and what stands in the way; change nothing' },
  { flags: '-y, --yes', summary: 'do not ask before what is there is replaced' },
  {
    flags: '-f, --force',
    summary:
      'write into what is there, only what differs: needs no second space, is not done in one step; does not ask',
  },
  { flags: '--no-delta', summary: 'with --force: write all of it anew' },
  { flags: '--no-checks', summary: 'skip the checks of the restored data (not of its bytes)' },
  { flags: '--verify', summary: 'hold it to the assertions of the source too; if one fails, put back what was there' },
  { flags: '--host <name>', summary: 'of this host (default: this machine’s snapshots, if it has any)' },
  {
    flags: '--include <path>',
    summary: 'only this path of the source, and what is below (may be repeated)',
    repeat: true,
  },
  { flags: '--database <name>', summary: 'of a snapshot of several databases: this one', repeat: true },
  {
    flags: '--table <name>',
    summary: 'only this table, into a database that is there (may be repeated)',
    repeat: true,
  },
  { flags: '--schema <name>', summary: 'only the tables of this schema, likewise', repeat: true },
  { flags: '--schema-only', summary: 'of a database: tables, indexes, views and all, without rows' },
  { flags: '--data-only', summary: 'of a database: the rows, into tables that are there' },
  { flags: '--roles', summary: 'create the database roles that are missing, as they were' },
  REPORT_OPTION,
  ...RECOVERY_OPTIONS,
]
