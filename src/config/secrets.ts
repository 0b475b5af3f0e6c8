import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { AppError, messageOf, systemCode } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import type { Finding } from '../model/finding.ts'

/** Where a secret comes from; exactly one is set. */
export interface SecretReference {
  readonly passwordFile?: string | undefined
  readonly passwordEnv?: string | undefined
  readonly passwordCommand?: readonly string[] | undefined
  readonly password?: string | undefined
}

export interface LoadedSecret {
  readonly secret: Secret
  readonly findings: readonly Finding[]
}

export interface SecretContext {
  /** What the secret is for, in errors: `repository main`. */
  readonly subject: string
  readonly baseDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal | undefined
}

const COMMAND_TIMEOUT_MS = 60_000
const MAX_SECRET_BYTES = 64 * 1024

/** Fetches a password. One trailing line break is not part of it. */
export async function loadSecret(reference: SecretReference, context: SecretContext): Promise<LoadedSecret> {
  if (reference.passwordFile !== undefined) return fromFile(reference.passwordFile, context)
  if (reference.passwordEnv !== undefined)
    return { secret: fromEnvironment(reference.passwordEnv, context), findings: [] }
  if (reference.passwordCommand !== undefined) {
    return { secret: await fromCommand(reference.passwordCommand, context), findings: [] }
  }
  return { secret: notEmpty(reference.password ?? '', 'its password', context), findings: [] }
}

async function fromFile(name: string, context: SecretContext): Promise<LoadedSecret> {
  const file = resolve(context.baseDir, name)
  try {
    const handle = await open(file, 'r')
    try {
      const { mode, size } = await handle.stat()
      if (size > MAX_SECRET_BYTES) throw new Error('larger than any password')
      const secret = notEmpty((await handle.readFile('utf8')).replace(/\r?\n$/, ''), `password file ${file}`, context)
      return { secret, findings: (mode & 0o077) === 0 ? [] : [readableByOthers(file, mode)] }
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const missing = systemCode(error) === 'ENOENT'
    throw new AppError(
      'config-invalid',
      missing
        ? `no password file ${file} for ${context.subject}`
        : `cannot read password file ${file}: ${messageOf(error)}`,
      {
        hint: missing
          ? 'Bring the file back from where you keep a copy; if the repository does not exist yet, run "lifeboat init".'
          : 'Check that it is a file and that you may read it.',
        context: { file },
        cause: error,
      },
    )
  }
}

function readableByOthers(file: string, mode: number): Finding {
  return {
    severity: 'warning',
    code: 'password-file-readable',
    subject: file,
    message: `other users can read this password file (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
    hint: `Run "chmod 600 ${file}".`,
  }
}

function fromEnvironment(name: string, context: SecretContext): Secret {
  const value = context.environment[name]
  if (value !== undefined && value !== '') return new Secret(value)
  throw new AppError('config-invalid', `environment variable ${name}, the password of ${context.subject}, is not set`, {
    hint: `Set ${name}, then try again.`,
    context: { variable: name },
  })
}

async function fromCommand(command: readonly string[], context: SecretContext): Promise<Secret> {
  const [program = '', ...args] = command
  const options = {
    cwd: context.baseDir,
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: MAX_SECRET_BYTES,
    windowsHide: true,
    ...(context.signal === undefined ? {} : { signal: context.signal }),
  }
  // What the program wrote is not shown, also when it fails: it may hold the password or a part of it.
  const output = await new Promise<string>((done, fail) => {
    const child = execFile(program, args, options, (error, stdout) => (error ? fail(error) : done(stdout)))
    child.stdin?.end()
  }).catch((error: unknown) => {
    if (context.signal?.aborted) throw new AppError('interrupted', 'interrupted', { cause: error })
    throw new AppError(
      'config-invalid',
      `the password command ${program} of ${context.subject} failed: ${why(error)}`,
      {
        hint: 'Run it by hand to see why.',
        context: { program },
      },
    )
  })
  return notEmpty(output.replace(/\r?\n$/, ''), `the password command ${program}`, context)
}

function why(error: unknown): string {
  if (systemCode(error) === 'ENOENT') return 'not found'
  if (error instanceof Error && 'killed' in error && error.killed === true) return 'it took longer than a minute'
  if (error instanceof Error && 'code' in error && typeof error.code === 'number') return `exit code ${error.code}`
  return systemCode(error) ?? 'it ended early'
}

function notEmpty(value: string, what: string, context: SecretContext): Secret {
  if (value !== '') return new Secret(value)
  throw new AppError('config-invalid', `${what} of ${context.subject} is empty`, {
    hint: 'Put the password of the repository there.',
  })
}
