import type { AppError } from '../../base/errors.ts'
import { type ConnectionProblem, SftpConnectionError, SftpStatusError, STATUS } from '../../clients/sftp/index.ts'
import { typedWord } from '../../model/repository-url.ts'
import { type FailedCall, type StorageErrorCode, storageError } from '../storage-error.ts'
import type { SftpLocation } from './location.ts'
import type { SftpOptions } from './options.ts'
import { AlreadyThere, TooShort } from './transfer.ts'

const CODES: Readonly<Record<number, StorageErrorCode>> = {
  [STATUS.noSuchFile]: 'storage-not-found',
  [STATUS.permissionDenied]: 'storage-denied',
}

/** What is known of the server, for hints that can be typed. */
export interface Server {
  readonly location: SftpLocation
  readonly options: SftpOptions
}

/** Wraps what the server, or `ssh`, said, once. */
export function remoteError(call: FailedCall, error: unknown, server: Server): unknown {
  if (error instanceof SftpConnectionError) return connectionError(call, error, server)
  if (error instanceof TooShort) return storageError('storage-too-short', call, { cause: error })
  if (error instanceof AlreadyThere) return storageError('storage-exists', call)
  if (!(error instanceof SftpStatusError)) return error
  const code = CODES[error.status] ?? 'storage-failed'
  if (code === 'storage-not-found') {
    if (call.verb !== 'write') return storageError(code, call, { cause: error })
    return storageError('storage-failed', call, { reason: 'its folder is gone', cause: error })
  }
  const who = server.location.user ?? 'the user there'
  const hint =
    code === 'storage-denied'
      ? `Let ${who} read and write ${server.location.folder} on ${server.location.host}.`
      : `Look at the disk of ${server.location.host}, then run the same command again.`
  return storageError(code, call, { reason: `the server says "${error.message}"`, hint, cause: error })
}

interface Wording {
  readonly code: StorageErrorCode
  readonly reason: (server: Server, said: string) => string
  readonly hint: (server: Server) => string
}

const said = (_: Server, words: string): string => words

const WORDINGS: Readonly<Record<ConnectionProblem, Wording>> = {
  'host-key-unknown': {
    code: 'storage-denied',
    reason: ({ location }) => `the key of ${location.host} is not known here`,
    hint: server =>
      `Type ${sshCommand(server)}, compare the fingerprint that it shows with the server's own, and answer yes. ` +
      `Where nobody can answer: ${scanCommand(server)}.`,
  },
  'host-key-changed': {
    code: 'storage-denied',
    reason: ({ location }) => `the key of ${location.host} is another one than before`,
    hint: server =>
      `Somebody may stand in between. Only if the server was set up anew: ` +
      `type ssh-keygen -R '${knownHost(server)}'${fileFlag(server, '-f')}, then ${sshCommand(server)}.`,
  },
  'login-refused': {
    code: 'storage-denied',
    reason: ({ location }, words) => `${location.host} does not let us in: ${words}`,
    hint: server =>
      `Lifeboat logs in by a key, and types no password: ssh-copy-id${target(server)} puts yours there. ` +
      'It runs as this user, with the keys and the agent of this user; storage.identityFile names another key.',
  },
  'host-not-found': {
    code: 'storage-denied',
    reason: ({ location }) => `there is no host ${location.host}`,
    hint: () => 'Correct the name, or look whether this machine is on the network.',
  },
  'bad-setup': { code: 'storage-denied', reason: said, hint: server => `${sshCommand(server)} must work first.` },
  'no-sftp': {
    code: 'storage-denied',
    reason: said,
    hint: server =>
      `sftp${target(server, '-P')} must work first. Where that is no better: turn on SFTP at the server, and let the start-up files of that user's shell print nothing.`,
  },
  unreachable: { code: 'storage-failed', reason: said, hint: server => `See whether ${sshCommand(server)} works.` },
  stalled: { code: 'storage-failed', reason: said, hint: server => `See whether ${sshCommand(server)} works.` },
  protocol: { code: 'storage-failed', reason: said, hint: () => 'Tell whoever runs that server.' },
  lost: { code: 'storage-failed', reason: said, hint: server => `See whether ${sshCommand(server)} works.` },
}

function connectionError(call: FailedCall, error: SftpConnectionError, server: Server): AppError {
  const { code, reason, hint } = WORDINGS[error.problem]
  return storageError(code, call, { reason: reason(server, error.message), hint: hint(server), cause: error })
}

function sshCommand(server: Server): string {
  const { identityFile } = server.options
  const key = identityFile === undefined ? '' : ` -i ${typedWord(identityFile)}`
  return `"ssh${fileFlag(server, '-o UserKnownHostsFile=', '')}${key}${target(server)}"`
}

function scanCommand(server: Server): string {
  const { location, options } = server
  const port = location.port === undefined ? '' : `-p ${location.port} `
  return `"ssh-keyscan ${port}${location.host} >> ${typedWord(options.knownHostsFile ?? '~/.ssh/known_hosts')}"`
}

function target({ location }: Server, portFlag = '-p'): string {
  const port = location.port === undefined ? '' : ` ${portFlag} ${location.port}`
  return `${port} ${location.user === undefined ? '' : `${location.user}@`}${location.host}`
}

/** As it stands in a file of known hosts. */
function knownHost({ location }: Server): string {
  return location.port === undefined || location.port === 22 ? location.host : `[${location.host}]:${location.port}`
}

function fileFlag({ options }: Server, flag: string, between = ' '): string {
  return options.knownHostsFile === undefined ? '' : ` ${flag}${between}${typedWord(options.knownHostsFile)}`
}
