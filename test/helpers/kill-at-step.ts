import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/**
 * Preloaded into a command (`node --import`): kills it, as `kill -9` would, right before its n-th change of a name in
 * the file system at a path that contains one of the words. `KILL_AT` is n, `KILL_WORDS` the words, one a line. After
 * the last change it lives: the test sees by the exit that there are no more places.
 */
const target = Number(process.env['KILL_AT'])
const words = (process.env['KILL_WORDS'] ?? '').split('\n')
let seen = 0

function count(paths: readonly unknown[]): void {
  const touches = paths.some(path => words.some(word => String(path).includes(word)))
  if (!touches) return
  seen += 1
  if (seen === target) process.kill(process.pid, 'SIGKILL')
}

type Call = (...args: unknown[]) => unknown
const promises = fs.promises as unknown as Record<string, Call>
const sync = fs as unknown as Record<string, Call>
const CHANGES = ['rename', 'link', 'rm', 'unlink', 'mkdir', 'rmdir', 'symlink', 'truncate']

// Not in the processes and threads that the command starts: they inherit the preload.
const isCommand = isMainThread && process.argv[1]?.endsWith('lifeboat.js') === true
for (const name of isCommand ? CHANGES : []) {
  const [original, originalSync] = [promises[name], sync[`${name}Sync`]]
  promises[name] = (...args) => {
    count(args.slice(0, 2))
    return original?.apply(promises, args)
  }
  sync[`${name}Sync`] = (...args) => {
    count(args.slice(0, 2))
    return originalSync?.apply(sync, args)
  }
}
syncBuiltinESMExports()
