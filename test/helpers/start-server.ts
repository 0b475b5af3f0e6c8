import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Where tools/setup puts servers that are fetched or built once for all checkouts. */
export const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lifeboat-tests')

export interface RunningServer {
  readonly port: number
  readonly pid: number
  close(): Promise<void>
}

/** Starts a program on a free port of the loopback, and waits until it takes connections there. */
export async function startServer(
  program: string,
  argumentsOn: (port: number) => readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  // Between the look for a free port and its use somebody else may take it.
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const child = spawn(program, argumentsOn(port), {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2000)
    })
    if (await answers(child, port)) return running(child, port)
    if (attempt === 5) throw new Error(`${program} does not start: ${stderr}`)
  }
}

function running(child: ChildProcess, port: number): RunningServer {
  // A test run that dies must not leave servers behind.
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  return {
    port,
    pid: child.pid ?? 0,
    close: async () => {
      process.off('exit', kill)
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

async function answers(child: ChildProcess, port: number): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, '127.0.0.1')
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (isOpen) return true
    await wait(20)
  }
  return false
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
