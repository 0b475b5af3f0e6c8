import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { isMainThread } from 'node:worker_threads'

/**
 * Preloaded into a command (`node --import`): right before its first change of a name at a path that contains `KILL_BEFORE`,
 * kills the processes that it has started and that have the file `KILL_HOLDERS_OF` open, as the kernel does without memory.
 * From then on each change of a name comes late, so that others can use what no lock keeps them from.
 */
const [before = '', file = ''] = [process.env['KILL_BEFORE'], process.env['KILL_HOLDERS_OF']]
const LATE_MS = 150
const idle = new Int32Array(new SharedArrayBuffer(4))
let killed = false

function killHolders(): void {
  const children = fs
    .readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(Boolean)
  for (const pid of children) {
    if (!fs.readdirSync(`/proc/${pid}/fd`).some(fd => linkOf(`/proc/${pid}/fd/${fd}`) === file)) continue
    process.kill(Number(pid), 'SIGKILL')
    // Says in the output that it came to it.
    fs.writeSync(2, 'killed a lock holder\n')
  }
  killed = true
}

/** Undefined for what it has closed meanwhile. */
function linkOf(path: string): string | undefined {
  try {
    return fs.readlinkSync(path)
  } catch {
    return undefined
  }
}

type Call = (...args: unknown[]) => unknown
const promises = fs.promises as unknown as Record<string, Call>
const isCommand = isMainThread && process.argv[1]?.endsWith('lifeboat.js') === true
for (const name of isCommand ? ['rename', 'link'] : []) {
  const original = promises[name]
  promises[name] = (...args) => {
    if (!killed && args.slice(0, 2).some(path => String(path).includes(before))) killHolders()
    if (killed) Atomics.wait(idle, 0, 0, LATE_MS)
    return original?.apply(promises, args)
  }
}
syncBuiltinESMExports()
