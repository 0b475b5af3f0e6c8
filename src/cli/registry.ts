import type { Command } from './command.ts'

/** A command before its module is loaded: all that `lifeboat --help` needs. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: CommandGroup
  readonly load: () => Promise<Command>
}

export const COMMAND_GROUPS = [
  'Every day',
  'By itself',
  'Looking into snapshots',
  'Repositories',
  'PostgreSQL’s log',
  'This machine',
] as const
export type CommandGroup = (typeof COMMAND_GROUPS)[number]

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'find data worth protecting, propose a configuration, create the repository',
    group: 'Every day',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'backup',
    summary: 'back up one, several or all sources',
    group: 'Every day',
    load: async () => (await import('./commands/backup.ts')).backup,
  },
  {
    name: 'snapshots',
    summary: 'list recovery points, oldest first',
    group: 'Every day',
    load: async () => (await import('./commands/snapshots.ts')).snapshots,
  },
  {
    name: 'restore',
    summary: 'restore a recovery point',
    group: 'Every day',
    load: async () => (await import('./commands/restore.ts')).restore,
  },
  {
    name: 'undo',
    summary: 'undo a restore',
    group: 'Every day',
    load: async () => (await import('./commands/undo.ts')).undo,
  },
  {
    name: 'verify',
    summary: 'prove that a recovery point can be restored',
    group: 'Every day',
    load: async () => (await import('./commands/verify.ts')).verify,
  },
  {
    name: 'report',
    summary: 'show the report of a restore or verification',
    group: 'Every day',
    load: async () => (await import('./commands/report.ts')).report,
  },
  {
    name: 'runs',
    summary: 'list past and running operations',
    group: 'Every day',
    load: async () => (await import('./commands/runs.ts')).runs,
  },
  {
    name: 'runs cancel',
    summary: 'cancel a running operation',
    group: 'Every day',
    load: async () => (await import('./commands/runs.ts')).runsCancel,
  },
  {
    name: 'serve',
    summary: 'run every policy at its time, and look after repositories',
    group: 'By itself',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  {
    name: 'status',
    summary: 'show what can be gone back to, how sure it is, and what is wrong',
    group: 'By itself',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'health',
    summary: 'say with the exit code whether all is well',
    group: 'By itself',
    load: async () => (await import('./commands/status.ts')).health,
  },
  {
    name: 'alerts',
    summary: 'list what is wrong and since when',
    group: 'By itself',
    load: async () => (await import('./commands/alerts.ts')).alerts,
  },
  {
    name: 'alerts check',
    summary: 'look whether all is well, and tell those in "notify"',
    group: 'By itself',
    load: async () => (await import('./commands/alerts.ts')).alertsCheck,
  },
  {
    name: 'alerts silence',
    summary: 'stop telling of an alert, for a time',
    group: 'By itself',
    load: async () => (await import('./commands/alerts.ts')).alertsSilence,
  },
  {
    name: 'notify test',
    summary: 'send a test to those in "notify"',
    group: 'By itself',
    load: async () => (await import('./commands/alerts.ts')).notifyTest,
  },
  {
    name: 'install',
    summary: 'make a service of "lifeboat serve"',
    group: 'By itself',
    load: async () => (await import('./commands/install.ts')).install,
  },
  {
    name: 'pause',
    summary: 'keep scheduled runs from starting, for a time',
    group: 'By itself',
    load: async () => (await import('./commands/pause.ts')).pause,
  },
  {
    name: 'resume',
    summary: 'end a pause of scheduled runs',
    group: 'By itself',
    load: async () => (await import('./commands/pause.ts')).resume,
  },
  {
    name: 'ls',
    summary: 'list the contents of a snapshot',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/ls.ts')).ls,
  },
  {
    name: 'cat',
    summary: 'print a file from a snapshot',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/cat.ts')).cat,
  },
  {
    name: 'find',
    summary: 'find files by name in snapshots',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/find.ts')).find,
  },
  {
    name: 'diff',
    summary: 'compare two recovery points, or one with what is live',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  {
    name: 'query',
    summary: 'query a recovery point of a database with SQL',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/query.ts')).query,
  },
  {
    name: 'stats',
    summary: 'show how much space snapshots take, and what deduplication and compression save',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/stats.ts')).stats,
  },
  {
    name: 'copy',
    summary: 'copy recovery points to other repositories',
    group: 'Repositories',
    load: async () => (await import('./commands/copy.ts')).copy,
  },
  {
    name: 'check',
    summary: 'check that repositories are intact',
    group: 'Repositories',
    load: async () => (await import('./commands/check.ts')).check,
  },
  {
    name: 'repair index',
    summary: 'write the index of a repository anew from its packs',
    group: 'Repositories',
    load: async () => (await import('./commands/repair.ts')).repairIndexCommand,
  },
  {
    name: 'repair packs',
    summary: 'bring back what damaged packs have lost',
    group: 'Repositories',
    load: async () => (await import('./commands/repair.ts')).repairPacksCommand,
  },
  {
    name: 'repair snapshots',
    summary: 'keep what can be read of snapshots that are not whole any more',
    group: 'Repositories',
    load: async () => (await import('./commands/repair.ts')).repairSnapshotsCommand,
  },
  {
    name: 'repair parity',
    summary: 'write parity that is missing or damaged',
    group: 'Repositories',
    load: async () => (await import('./commands/repair-parity.ts')).repairParityCommand,
  },
  {
    name: 'forget',
    summary: 'remove snapshots that no retention rule keeps',
    group: 'Repositories',
    load: async () => (await import('./commands/forget.ts')).forget,
  },
  {
    name: 'pin',
    summary: 'keep a recovery point whatever the rules say',
    group: 'Repositories',
    load: async () => (await import('./commands/pin.ts')).pin,
  },
  {
    name: 'unpin',
    summary: 'let the rules decide about a recovery point again',
    group: 'Repositories',
    load: async () => (await import('./commands/pin.ts')).unpin,
  },
  {
    name: 'prune',
    summary: 'delete data that no snapshot uses any more',
    group: 'Repositories',
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'history',
    summary: 'show hour by hour what was added, overwritten and deleted in a bucket that keeps versions',
    group: 'Repositories',
    load: async () => (await import('./commands/history.ts')).history,
  },
  {
    name: 'key list',
    summary: 'list the passwords of a repository',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyList,
  },
  {
    name: 'key add',
    summary: 'add a password to a repository',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyAdd,
  },
  {
    name: 'key remove',
    summary: 'revoke a password',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyRemove,
  },
  {
    name: 'key passwd',
    summary: 'change the password of a repository',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyPasswd,
  },
  {
    name: 'unlock',
    summary: 'remove stale locks',
    group: 'Repositories',
    load: async () => (await import('./commands/unlock.ts')).unlock,
  },
  {
    name: 'config check',
    summary: 'check the configuration, and say what it means',
    group: 'This machine',
    load: async () => (await import('./commands/config-check.ts')).configCheck,
  },
  {
    name: 'recovery-sheet',
    summary: 'print one page that says how to restore everything on a new machine',
    group: 'This machine',
    load: async () => (await import('./commands/recovery-sheet.ts')).recoverySheet,
  },
  {
    name: 'probe',
    summary: 'check that sources can be backed up',
    group: 'This machine',
    load: async () => (await import('./commands/probe.ts')).probe,
  },
  {
    name: 'demo',
    summary: 'try it: lose and recover a sample database',
    group: 'This machine',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'doctor',
    summary: 'check this machine for anything that would make a backup or restore fail',
    group: 'This machine',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'completion',
    summary: 'print a shell completion script',
    group: 'This machine',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'wal push',
    summary: 'archive a WAL file, as archive_command',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walPush,
  },
  {
    name: 'wal fetch',
    summary: 'fetch an archived WAL file, as restore_command',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walFetch,
  },
  {
    name: 'wal receive',
    summary: 'stream the WAL of a PostgreSQL cluster into the repository, until stopped',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walReceive,
  },
  {
    name: 'wal status',
    summary: 'show how much of the WAL of a PostgreSQL cluster is archived',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal-status.ts')).walStatus,
  },
]
