import { OWN_RESTORE_OPTIONS } from '../../app/kinds.ts'
import type { OptionSpec } from '../command.ts'
import { REPORT_OPTION } from '../reports.ts'
import { AS_OF_OPTION, FROM_OPTION } from '../selection.ts'

/** What the kinds of sources declare. */
const OWN_OPTIONS: readonly OptionSpec[] = OWN_RESTORE_OPTIONS.map(
  ({ flag, value, placeholder, description, kinds }) => ({
    flags: value === 'none' ? flag : `${flag} <${placeholder}>`,
    summary: `${kinds.join(', ')}: ${description}`,
    repeat: value === 'texts',
  }),
)

export const RESTORE_OPTIONS: readonly OptionSpec[] = [
  FROM_OPTION,
  AS_OF_OPTION,
  {
    flags: '--to <path>',
    summary: 'restore to this path, or to postgres:///NAME for a database (default: where the source is)',
    complete: 'files',
  },
  {
    flags: '--target <which>',
    summary: 'db: where the source is (default); test: its test target, or a temporary copy that is removed afterwards',
    choices: ['db', 'test'],
  },
  {
    flags: '--mask <file>',
    summary: 'mask personal data by the rules in this file (with --target test, default: those of the source)',
    complete: 'files',
  },
  { flags: '--keep', summary: 'keep the temporary copy of --target test' },
  {
    flags: '--strategy <how>',
    summary: 'replace what is there (default), or merge: keep it and add what only the recovery point has',
    choices: ['replace', 'merge'],
  },
  { flags: '-n, --dry-run', summary: 'show what would be done and what stands in the way; change nothing' },
  { flags: '-y, --yes', summary: 'do not ask before replacing what is there' },
  {
    flags: '-f, --force',
    summary:
      'write into what is there, only what differs: needs no second space, is not done in one step; does not ask',
  },
  {
    flags: '--delete',
    summary: 'with --force or --include: remove from the folder what the recovery point has not got there; asks',
  },
  { flags: '--no-delta', summary: 'with --force: rewrite everything, not only what differs' },
  { flags: '--no-checks', summary: 'skip the checks of the restored data (its bytes are always checked)' },
  { flags: '--verify', summary: 'also run the assertions of the source; if one fails, put back what was there' },
  { flags: '--host <name>', summary: 'use the snapshots of this host (default: this machine, if it has any)' },
  {
    flags: '--include <path>',
    summary: 'only this path of the source and what is below it (may be repeated)',
    repeat: true,
  },
  { flags: '--database <name>', summary: 'only this database of the snapshot', repeat: true },
  {
    flags: '--table <name>',
    summary: 'only this table, into an existing database (may be repeated)',
    repeat: true,
  },
  { flags: '--schema <name>', summary: 'only the tables of this schema, into an existing database', repeat: true },
  { flags: '--schema-only', summary: 'only the schema of a database, without rows' },
  { flags: '--data-only', summary: 'only the rows of a database, into existing tables' },
  { flags: '--at <time>', summary: 'recover to this time; without a log: the newest recovery point at or before it' },
  {
    flags: '--wait',
    summary: 'wait until archived packs can be read, which takes hours; else it asks for them and ends',
  },
  REPORT_OPTION,
  ...OWN_OPTIONS,
]
