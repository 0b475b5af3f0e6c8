import { formatTime } from '../../base/times.ts'
import { repositoryNames } from '../../operations/workspace/names.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { LockInfo } from '../../repository/index.ts'
import type { Command } from '../command.ts'
import { repoOf } from '../selection.ts'
import { SeveralRepositories } from '../several-repositories.ts'

export const unlock: Command<Printed<'unlock'>> = {
  name: 'unlock',
  summary: 'remove stale locks',
  description: ['Rarely needed: stale locks block nothing, and the next run removes them.'],
  options: [{ flags: '--all', summary: 'remove all locks, even of processes that may still be running' }],
  examples: [
    { command: 'lifeboat unlock', explains: 'stale locks' },
    { command: 'lifeboat unlock --all --repo main', explains: 'every lock; be sure that nothing is running' },
  ],
  run: async call => {
    const app = await call.openApp()
    const several = new SeveralRepositories(call)
    const results = await several.each(repositoryNames(app, repoOf(call)), async name => {
      const repository = await app.repository(name)
      return { repository: name, removed: await repository.unlock({ all: call.values.flag('all') }) }
    })
    const lines = results.flatMap(({ repository, removed }) =>
      removed.length === 0
        ? [`${repository}: no lock to remove`]
        : removed.map(lock => `${repository}: removed the lock of ${describeLock(lock)}`),
    )
    return {
      json: { repositories: results, failed: several.failed },
      text: lines.map(line => `${line}\n`),
      exitCode: several.failure?.exitCode ?? 0,
    }
  },
}

function describeLock(lock: LockInfo): string {
  return `${lock.username}@${lock.hostname}, process ${lock.pid}, since ${formatTime(lock.time)}`
}
