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
  'Looking into snapshots',
  'Repositories',
  'PostgreSQL’s log',
  'This machine',
] as const
export type CommandGroup = (typeof COMMAND_GROUPS)[number]

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'find what is worth protecting, propose a configuration, create the repository',
    group: 'Every day',
    load: async () => (await import('./commands/init.ts')).init,
  },
  {
    name: 'backup',
    summary: 'take a recovery point of one, several or all sources',
    group: 'Every day',
    load: async () => (await import('./commands/backup.ts')).backup,
  },
  {
    name: 'snapshots',
    summary: 'list the recovery points, oldest first',
    group: 'Every day',
    load: async () => (await import('./commands/snapshots.ts')).snapshots,
  },
  {
    name: 'restore',
    summary: 'bring a recovery point back',
    group: 'Every day',
    load: async () => (await import('./commands/restore.ts')).restore,
  },
  {
    name: 'undo',
    summary: 'put back what was there before a restore',
    group: 'Every day',
    load: async () => (await import('./commands/undo.ts')).undo,
  },
  {
    name: 'verify',
    summary: 'prove that a recovery point comes back',
    group: 'Every day',
    load: async () => (await import('./commands/verify.ts')).verify,
  },
  {
    name: 'report',
    summary: 'show what a restore or a verification did',
    group: 'Every day',
    load: async () => (await import('./commands/report.ts')).report,
  },
  {
    name: 'runs',
    summary: 'list what was done and what is running',
    group: 'Every day',
    load: async () => (await import('./commands/runs.ts')).runs,
  },
  {
    name: 'runs cancel',
    summary: 'end a run that is running',
    group: 'Every day',
    load: async () => (await import('./commands/runs.ts')).runsCancel,
  },
  {
    name: 'ls',
    summary: 'list what is in a snapshot',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/ls.ts')).ls,
  },
  {
    name: 'cat',
    summary: 'print one file of a snapshot',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/cat.ts')).cat,
  },
  {
    name: 'find',
    summary: 'look for files by name in snapshots',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/find.ts')).find,
  },
  {
    name: 'diff',
    summary: 'compare two snapshots',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  {
    name: 'stats',
    summary: 'show what snapshots take, and what deduplication and compression save',
    group: 'Looking into snapshots',
    load: async () => (await import('./commands/stats.ts')).stats,
  },
  {
    name: 'check',
    summary: 'look whether repositories are whole',
    group: 'Repositories',
    load: async () => (await import('./commands/check.ts')).check,
  },
  {
    name: 'forget',
    summary: 'drop snapshots that no rule keeps',
    group: 'Repositories',
    load: async () => (await import('./commands/forget.ts')).forget,
  },
  {
    name: 'prune',
    summary: 'free the space of what no snapshot uses any more',
    group: 'Repositories',
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'key list',
    summary: 'list the passwords that open a repository',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyList,
  },
  {
    name: 'key add',
    summary: 'add a password that opens a repository',
    group: 'Repositories',
    load: async () => (await import('./commands/key.ts')).keyAdd,
  },
  {
    name: 'key remove',
    summary: 'take a password’s access away',
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
    summary: 'remove locks of processes that are gone',
    group: 'Repositories',
    load: async () => (await import('./commands/unlock.ts')).unlock,
  },
  {
    name: 'probe',
    summary: 'look whether sources can be captured',
    group: 'This machine',
    load: async () => (await import('./commands/probe.ts')).probe,
  },
  {
    name: 'demo',
    summary: 'lose and recover a sample database, to see how it goes',
    group: 'This machine',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'doctor',
    summary: 'look for what would make a backup or a restore fail on this machine',
    group: 'This machine',
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    name: 'completion',
    summary: 'print the completion script of a shell',
    group: 'This machine',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    name: 'wal push',
    summary: 'store a file of a PostgreSQL log, as archive_command',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walPush,
  },
  {
    name: 'wal fetch',
    summary: 'bring a file of a PostgreSQL log back, as restore_command',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walFetch,
  },
  {
    name: 'wal receive',
    summary: 'receive and store the log of a PostgreSQL cluster, until stopped',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal.ts')).walReceive,
  },
  {
    name: 'wal status',
    summary: 'show how far the log of a PostgreSQL cluster is stored',
    group: 'PostgreSQL’s log',
    load: async () => (await import('./commands/wal-status.ts')).walStatus,
  },
]
