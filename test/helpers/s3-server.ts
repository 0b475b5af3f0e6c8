import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe } from 'vitest'
import { Secret } from '../../src/base/secret.ts'
import { HttpClient } from '../../src/clients/http/index.ts'
import { EMPTY_SHA256, signRequest } from '../../src/clients/s3/sign.ts'

/** As tools/setup builds it. */
const PROGRAM = join(
  process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'),
  'lifeboat-tests/versitygw-1.8.0/versitygw',
)
const isInstalled = existsSync(PROGRAM)

if (!isInstalled && process.env['CI'] === 'true') throw new Error(`no S3 server at ${PROGRAM}: run tools/setup`)
if (!isInstalled) console.warn('skipped: no S3 server (versitygw) on this machine; tools/setup builds it where Go is')

/** `describe` where the S3 server is; elsewhere skipped with one line, but a failure under CI. */
export const describeWithS3 = isInstalled ? describe : describe.skip

export const S3_KEYS = { accessKeyId: 'AKIDTESTTESTTEST', secretAccessKey: 'planted-s3-secret-8f1d02' } as const

/** A real S3 server of the tests' own: versitygw over a temporary folder, on a free port. */
export interface S3Server {
  readonly port: number
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  readonly pid: number
  /** What a program needs to use it. */
  readonly environment: Readonly<Record<string, string>>
  createBucket(name: string): Promise<void>
  /** Buckets are folders in it, objects files. */
  readonly folder: string
  close(): Promise<void>
}

export async function startS3Server(): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'lb-s3-'))
  const folder = join(dir, 'root')
  await mkdir(folder)
  const { child, port } = await startProgram(folder)
  // A test run that dies must not leave servers behind.
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const origin = `http://127.0.0.1:${port}`
  return {
    port,
    origin,
    pid: child.pid ?? 0,
    environment: {
      AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey,
      AWS_REGION: 'us-east-1',
    },
    createBucket: name => createBucket(origin, name),
    folder,
    close: async () => {
      process.off('exit', kill)
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Between the look for a free port and its use somebody else may take it. */
async function startProgram(folder: string): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const child = spawn(PROGRAM, ['--port', `127.0.0.1:${port}`, '--quiet', 'posix', folder], {
      env: {
        ROOT_ACCESS_KEY: S3_KEYS.accessKeyId,
        ROOT_SECRET_KEY: S3_KEYS.secretAccessKey,
        PATH: process.env['PATH'],
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2000)
    })
    if (await answers(child, port)) return { child, port }
    if (attempt === 5) throw new Error(`versitygw does not start: ${stderr}`)
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

async function createBucket(origin: string, name: string): Promise<void> {
  const http = new HttpClient({ maxSockets: 1 })
  const path = `/${name}`
  const headers = signRequest(
    { method: 'PUT', host: new URL(origin).host, path, bodySha256: EMPTY_SHA256 },
    {
      region: 'us-east-1',
      service: 's3',
      now: new Date(),
      credentials: {
        accessKeyId: S3_KEYS.accessKeyId,
        secretAccessKey: new Secret(S3_KEYS.secretAccessKey),
      },
    },
  )
  const { status, body } = await http.request({ method: 'PUT', origin, path, headers, body: [] })
  http.close()
  if (status !== 200) throw new Error(`the bucket ${name} was not made: ${status} ${body.toString()}`)
}
