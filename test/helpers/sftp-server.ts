import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../../src/clients/postgres/index.ts'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'].find(path => existsSync(path))
const installed = SSHD !== undefined && spawnSync('ssh', ['-V']).status === 0
if (!installed) {
  console.warn('sshd is not installed: tests that need it are skipped (sudo apt-get install openssh-server)')
}

/** For `describe.skipIf`: tests that need a server of SFTP are skipped without one, but on CI they fail then. */
export const skipSftp = !installed && process.env['CI'] !== 'true'

export interface SftpServerOptions {
  /** Run instead of what was asked for; the server's own SFTP is `internal-sftp`. */
  readonly forceCommand?: string | undefined
  /** The user's key is not let in. */
  readonly refusesKey?: boolean | undefined
}

/** A real `sshd` on a free port of this machine, with keys of its own, that lets in the user who runs the tests. */
export class SftpServer {
  /** An empty folder on the server. */
  readonly root: string
  readonly port: number
  readonly user = userInfo().username
  readonly identityFile: string
  readonly knownHostsFile: string
  readonly #folder: string
  #process: ChildProcess | undefined

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.port = port
    this.root = join(folder, 'root')
    this.identityFile = join(folder, 'user-key')
    this.knownHostsFile = join(folder, 'known_hosts')
  }

  static async start(options: SftpServerOptions = {}): Promise<SftpServer> {
    const server = new SftpServer(mkdtempSync(join(tmpdir(), 'lifeboat-sshd-')), await freePort())
    server.#configure(options)
    await server.startAgain()
    return server
  }

  /** @param path absolute, or relative to the home folder */
  url(path = this.root): string {
    return `sftp://${this.user}@127.0.0.1:${this.port}/${path}`
  }

  get storageOptions(): { identityFile: string; knownHostsFile: string } {
    const { identityFile, knownHostsFile } = this
    return { identityFile, knownHostsFile }
  }

  /** As it stands in a file of known hosts, behind the name. */
  get hostKey(): string {
    return readFileSync(join(this.#folder, 'host-key.pub'), 'utf8')
  }

  /** What `restic -o sftp.command=...` takes. */
  get resticCommand(): string {
    return `ssh -F ${join(this.#folder, 'ssh_config')} lifeboat-test -s sftp`
  }

  /** A folder for `PATH`, in which `ssh` knows this server as a person's own configuration would. */
  get programs(): string {
    return join(this.#folder, 'bin')
  }

  async startAgain(): Promise<void> {
    if (SSHD === undefined) throw new Error('there is no sshd')
    const log = join(this.#folder, 'log')
    const started = spawn(SSHD, ['-D', '-f', join(this.#folder, 'sshd_config'), '-E', log], { stdio: 'ignore' })
    // A test run that dies must not leave servers behind.
    process.once('exit', () => void started.kill('SIGKILL'))
    this.#process = started
    while (!(await isListening(this.port))) {
      if (started.exitCode !== null) throw new Error(`sshd did not start: ${readFileSync(log, 'utf8')}`)
      await wait(20)
    }
  }

  /** Takes no new connections any more, and ends those that there are. */
  async stop(): Promise<void> {
    const server = this.#process
    if (!server) return
    // Else it takes another connection while those that it has are ended, which would outlive it.
    server.kill('SIGSTOP')
    while (this.cut() > 0);
    this.#process = undefined
    if (server.exitCode !== null) return
    const ended = new Promise(resolve => server.once('exit', resolve))
    server.kill('SIGKILL')
    await ended
  }

  /** Ends all connections at once. How many processes there were. */
  cut(): number {
    const pids = descendants(this.#process?.pid)
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself meanwhile.
      }
    }
    return pids.length
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #configure({ forceCommand, refusesKey = false }: SftpServerOptions): void {
    const at = (name: string): string => join(this.#folder, name)
    mkdirSync(this.root)
    for (const name of ['host-key', 'user-key']) {
      spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', at(name)])
    }
    // sshd wants it, and its package makes it only when the system's own one starts.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
    const server = {
      Port: this.port,
      ListenAddress: '127.0.0.1',
      HostKey: at('host-key'),
      AuthorizedKeysFile: refusesKey ? 'none' : at('user-key.pub'),
      PidFile: 'none',
      UsePAM: 'no',
      StrictModes: 'no',
      PermitRootLogin: 'prohibit-password',
      PasswordAuthentication: 'no',
      KbdInteractiveAuthentication: 'no',
      MaxStartups: 100,
      Subsystem: 'sftp internal-sftp',
      ...(forceCommand === undefined ? {} : { ForceCommand: forceCommand }),
    }
    writeFileSync(at('sshd_config'), linesOf(server))
    writeFileSync(at('known_hosts'), `[127.0.0.1]:${this.port} ${this.hostKey}`)
    const client = {
      HostName: '127.0.0.1',
      Port: this.port,
      User: this.user,
      IdentityFile: this.identityFile,
      IdentitiesOnly: 'yes',
      UserKnownHostsFile: this.knownHostsFile,
      BatchMode: 'yes',
    }
    writeFileSync(at('ssh_config'), `Host lifeboat-test 127.0.0.1\n${linesOf(client)}`)
    mkdirSync(this.programs)
    writeFileSync(
      join(this.programs, 'ssh'),
      `#!/bin/sh\nexec ssh-of-the-system "$@"\n`.replace('ssh-of-the-system', `${sshPath()} -F ${at('ssh_config')}`),
      { mode: 0o755 },
    )
  }
}

function linesOf(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}

function sshPath(): string {
  return spawnSync('sh', ['-c', 'command -v ssh'], { encoding: 'utf8' }).stdout.trim()
}

/** Of one process, by what /proc says. */
function descendants(pid: number | undefined): number[] {
  if (pid === undefined) return []
  const { stdout } = spawnSync('ps', ['-e', '-o', 'pid=,ppid=,stat='], { encoding: 'utf8' })
  const pairs = stdout
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .filter(([, , state = '']) => !state.startsWith('Z'))
    .map(([child, parent]) => [Number(child), Number(parent)] as const)
  const below = (parent: number): number[] =>
    pairs.flatMap(([child, its]) => (its === parent ? [child, ...below(child)] : []))
  return below(pid)
}

/** Does anything take connections there? */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await new Promise(resolve => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then(answer => {
    socket.destroy()
    return answer === true
  })
}
