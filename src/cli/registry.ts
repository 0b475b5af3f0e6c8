import type { Command } from './command.ts'

/** A command before its module is loaded: all that `lifeboat --help` needs. */
export interface CommandEntry {
  readonly name: string
  readonly summary: string
  readonly group: CommandGroup
  readonly load: () => Promise<Command>
}

export const COMMAND_GROUPS = ['Every day', 'Looking into snapshots', 'Repositories', 'This machine'] as const
export type CommandGroup = (typeof COMMAND_GROUPS)[number]

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'find what is worth protecting, propose a configuration, create the repository',
    group: 'Every day',
    load: async () => (await import('./commands/init.ts')).init,
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
]
