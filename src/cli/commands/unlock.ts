import { formatTime } from '../../base/times.ts'
import type { LockInfo } from '../../repository/index.ts'
import type { Command } from '../command.ts'
import { repositoryNames } from '../selection.ts'

export const unlock: Command = {
  name: 'unlock',
  summary: 'remove locks of processes that are gone',
  description: ['Rarely needed: stale locks block nothing and go with the next run.'],
  options: [{ flags: '--all', summary: 'remove every lock, also of processes that may still be running' }],
  examples: [
    { command: 'lifeboat unlock', explains: 'stale locks' },
    { command: 'lifeboat unlock --all --repo main', explains: 'every lock; be sure that nothing is running' },
  ],
  run: async call => {
    const app = await call.openApp()
    const results: Array<{ readonly repository: string; readonly removed: readonly LockInfo[] }> = []
    for (const name of repositoryNames(call, app)) {
      const repository = await app.openRepository(name)
      results.push({ repository: name, removed: await repository.unlock({ all: call.values.flag('all') }) })
    }
    const lines = results.flatMap(({ repository, removed }) =>
      removed.length === 0
        ? [`${repository}: no lock to remove`]
        : removed.map(lock => `${repository}: removed the lock of ${describeLock(lock)}`),
    )
    return { json: { repositories: results }, text: lines.map(line => `${line}\n`) }
  },
}

function describeLock(lock: LockInfo): string {
  return `${lock.username}@${lock.hostname}, process ${lock.pid}, since ${formatTime(lock.time)}`
}
