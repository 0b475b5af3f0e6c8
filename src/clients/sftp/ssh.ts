import type { Bandwidth } from '../../base/bandwidth.ts'
import { printableName } from '../../base/bytes.ts'
import { Child } from '../../base/child.ts'
import { systemClock } from '../../base/clock.ts'
import { AppError } from '../../base/errors.ts'
import { toolEnvironment } from '../../base/plain-environment.ts'
import { SftpClient } from './client.ts'
import type { Channel } from './connection.ts'
import { type ConnectionProblem, SftpConnectionError } from './errors.ts'

export interface SshPlace {
  readonly host: string
  /** Undefined: as the configuration of `ssh` says. */
  readonly user: string | undefined
  readonly port: number | undefined
}

export interface SshOptions {
  /** Absolute; undefined: as the configuration of `ssh` says. */
  readonly identityFile?: string | undefined
  readonly knownHostsFile?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How long the server may say nothing while it is asked something. */
  readonly stallMs?: number | undefined
  /** How fast files may go and come. Default: as fast as they go. */
  readonly bandwidth?: Bandwidth | undefined
}

const STALL_MS = 90_000
const CONNECT_SECONDS = 30
const LAST_WORDS_MS = 2_000
const LONGEST_REASON_CHARS = 300

/**
 * Connects with the system's `ssh`, and so with whatever its configuration says: keys, agents, known hosts, jump hosts. It
 * asks nobody anything. Throws `SftpConnectionError`, or `tool-missing` where there is no `ssh`.
 */
export async function connectBySsh(place: SshPlace, options: SshOptions): Promise<SftpClient> {
  const { environment, stallMs = STALL_MS, bandwidth } = options
  const agent = environment['SSH_AUTH_SOCK']
  const child = await Child.start('ssh', sshArguments(place, options), {
    // The agent's socket is no secret. The locale, so that what it says is understood.
    env: { ...toolEnvironment(environment), ...(agent === undefined ? {} : { SSH_AUTH_SOCK: agent }), LC_ALL: 'C' },
    ownSession: true,
    stdin: 'pipe',
  })
  return await SftpClient.start(channelOf(child), stallMs, bandwidth)
}

/** As `sftp` calls it, but without any question. What a person's configuration says of these is not for us. */
export function sshArguments(place: SshPlace, options: Omit<SshOptions, 'environment'>): string[] {
  requireHarmless('host', place.host)
  const settings = [
    'BatchMode=yes',
    'ServerAliveInterval=60',
    'ServerAliveCountMax=4',
    `ConnectTimeout=${CONNECT_SECONDS}`,
    'LogLevel=INFO',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'ForwardX11=no',
    'PermitLocalCommand=no',
    'RemoteCommand=none',
    'RequestTTY=no',
    // One that is there is used, but none begun: it would live on, with our pipes in its hands.
    'ControlMaster=no',
  ]
  if (options.identityFile !== undefined) {
    settings.push(`IdentityFile=${quotedPath(options.identityFile)}`, 'IdentitiesOnly=yes')
  }
  if (options.knownHostsFile !== undefined) settings.push(`UserKnownHostsFile=${quotedPath(options.knownHostsFile)}`)
  const args = settings.flatMap(setting => ['-o', setting])
  if (place.port !== undefined) args.push('-p', String(place.port))
  if (place.user !== undefined) {
    requireHarmless('user', place.user)
    args.push('-l', place.user)
  }
  return [...args, '-s', '--', place.host, 'sftp']
}

/** It may be put into a `ProxyCommand`, which is run by a shell. */
function requireHarmless(what: string, value: string): void {
  if (/^[^-]/.test(value) && !/[\s\p{Cc}'"`$\\;&<>|(){}]/u.test(value)) return
  throw new AppError('usage', `${JSON.stringify(value)} cannot be the ${what} of an SFTP server`, {
    hint: 'Write sftp:user@host:/folder, or sftp://user@host:port//folder.',
  })
}

/** For a value of `ssh -o`: quoted, with nothing in it that `ssh` would replace. */
function quotedPath(path: string): string {
  if (/["\\\p{Cc}]|\$\{/u.test(path)) {
    throw new AppError('usage', `ssh takes no path like ${JSON.stringify(path)}`, { hint: 'Move or link that file.' })
  }
  return `"${path.replaceAll('%', '%%')}"`
}

function channelOf(child: Child): Channel {
  return {
    parts: () => child.parts(),
    send: parts => void child.send(parts),
    stop: async hungUp => {
      if (hungUp) await endOf(child)
      const hadEnded = child.ended
      await child.stop()
      await child.wait()
      return connectionError(child.stderr, hadEnded)
    },
  }
}

/** Whoever hangs up is about to say why. */
async function endOf(child: Child): Promise<void> {
  const late = new AbortController()
  await Promise.race([child.wait(), systemClock.sleep(LAST_WORDS_MS, late.signal)])
  late.abort()
}

const PROBLEMS: ReadonlyArray<readonly [RegExp, ConnectionProblem]> = [
  [/REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed/i, 'host-key-changed'],
  [/Host key verification failed|host key is known for/, 'host-key-unknown'],
  [/Permission denied \(|Too many authentication failures|no mutual signature/, 'login-refused'],
  [
    /Name or service not known|nodename nor servname|No address associated|Could not resolve hostname/,
    'host-not-found',
  ],
  [/subsystem request failed|This service allows sftp connections only/, 'no-sftp'],
  [
    /[Bb]ad configuration option|bad configuration options|Bad owner or permissions|Can't open user config/,
    'bad-setup',
  ],
  [/Connection refused|timed out|No route to host|Network is unreachable|kex_exchange_identification/, 'unreachable'],
]

/** What `ssh` said, by the line of it that says most. */
export function connectionError(stderr: string, hadEnded: boolean): SftpConnectionError | undefined {
  const lines = stderr.split(/[\r\n]+/).filter(line => line.trim() !== '')
  for (const [pattern, problem] of PROBLEMS) {
    const line = lines.findLast(each => pattern.test(each))
    if (line === undefined) continue
    // What a resolver that is not there says is no word about the host.
    if (problem === 'host-not-found' && /Temporary failure/.test(line)) return problemOf('unreachable', line)
    return problemOf(problem, line)
  }
  const last = lines.at(-1)
  return hadEnded && last !== undefined ? problemOf('lost', last) : undefined
}

function problemOf(problem: ConnectionProblem, line: string): SftpConnectionError {
  return new SftpConnectionError(problem, printableName(line.trim()).slice(0, LONGEST_REASON_CHARS))
}
