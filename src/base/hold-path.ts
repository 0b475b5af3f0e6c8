import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { platform } from 'node:process'
import { AppError, systemCode } from './errors.ts'
import { realPathOf } from './real-path.ts'

/**
 * Runs `work` while no other process on this machine does the same for that path, which need not exist. Throws
 * `target-in-use` at once when one does. Held by a socket name that lies in no folder: it goes with the process, however
 * that ends, and leaves nothing behind. Only Linux has such names; elsewhere nothing is held.
 */
export async function holdingPath<T>(path: string, work: () => Promise<T>): Promise<T> {
  if (platform !== 'linux') return await work()
  const server = await hold(await realPathOf(path), path)
  try {
    return await work()
  } finally {
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
}

async function hold(real: string, path: string): Promise<Server> {
  const name = createHash('sha256').update(real).digest('hex')
  const server = createServer(socket => socket.destroy())
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: `\0lifeboat-${name}` }, resolve)
    })
    return server.unref()
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw error
    throw new AppError('target-in-use', `another restore to ${path} is under way`, {
      hint: 'Wait until it has ended, or choose another path with --to.',
    })
  }
}
