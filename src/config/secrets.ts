import { resolve } from 'node:path'
import type { SecretReference as AdapterSecretReference } from '../base/adapter-context.ts'
import type { Trust } from '../base/believed-file.ts'
import { AppError, messageOf, systemCode } from '../base/errors.ts'
import { Secret } from '../base/secret.ts'
import { readSecretFile, trimAsRestic } from '../base/secret-file.ts'
import { runUserCommand } from '../base/user-command.ts'
import type { Finding } from '../model/finding.ts'

/** Where a secret comes from; exactly one is set. */
export interface SecretReference {
  readonly passwordFile?: string | undefined
  readonly passwordEnv?: string | undefined
  readonly passwordCommand?: readonly string[] | undefined
  /** Variables of our environment that the command gets too. */
  readonly passwordCommandEnv?: readonly string[] | undefined
  readonly password?: string | undefined
}

/** A secret of a storage, as `loadSecret` takes it. */
export function asPasswordReference(reference: AdapterSecretReference): SecretReference {
  if ('file' in reference) return { passwordFile: reference.file }
  if ('env' in reference) return { passwordEnv: reference.env }
  return { passwordCommand: reference.command, passwordCommandEnv: reference.commandEnv }
}

export interface LoadedSecret {
  readonly secret: Secret
  readonly findings: readonly Finding[]
}

export interface SecretContext {
  /** What the secret is for, in errors: `repository main`. */
  readonly subject: string
  /** What it is, in errors; default `password`. */
  readonly what?: string | undefined
  readonly baseDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Of the files and programs that the reference names. */
  readonly trust: Trust
  readonly signal?: AbortSignal | undefined
}

const COMMAND_TIMEOUT_MS = 60_000

/** Fetches a password. White space around what a file or a program gives is not part of it, as for restic. */
export async function loadSecret(reference: SecretReference, context: SecretContext): Promise<LoadedSecret> {
  if (reference.passwordFile !== undefined) return fromFile(reference.passwordFile, context)
  if (reference.passwordEnv !== undefined)
    return { secret: fromEnvironment(reference.passwordEnv, context), findings: [] }
  if (reference.passwordCommand !== undefined) {
    const secret = await fromCommand(reference, context)
    requireContent(secret, `what the ${nameOf(context)} command printed`, context)
    return { secret, findings: [] }
  }
  const secret = new Secret(reference.password ?? '')
  requireContent(secret, `its ${nameOf(context)}`, context)
  return { secret, findings: [] }
}

async function fromFile(name: string, context: SecretContext): Promise<LoadedSecret> {
  const file = resolve(context.baseDir, name)
  const { trust, signal } = context
  const read = readSecretFile(file, { what: `the ${nameOf(context)} file of ${context.subject}`, trust, signal })
  const { secret, mode } = await read.catch((error: unknown) => {
    throw error instanceof AppError ? error : unreadable(file, context, error)
  })
  requireContent(secret, `${nameOf(context)} file ${file}`, context)
  return { secret, findings: (mode & 0o077) === 0 ? [] : [readableByOthers(file, mode)] }
}

function unreadable(file: string, context: SecretContext, cause: unknown): AppError {
  const missing = systemCode(cause) === 'ENOENT'
  const message = missing
    ? `no ${nameOf(context)} file ${file} for ${context.subject}`
    : `cannot read ${nameOf(context)} file ${file}: ${messageOf(cause)}`
  const hint = missing
    ? 'Bring the file back from where you keep a copy; if the repository does not exist yet, run "lifeboat init".'
    : 'Check that it is a file and that you may read it.'
  return new AppError('config-invalid', message, { hint, context: { file }, cause })
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
  throw new AppError(
    'config-invalid',
    `environment variable ${name}, the ${nameOf(context)} of ${context.subject}, is not set`,
    {
      hint: `Set ${name}, then try again.`,
      context: { variable: name },
    },
  )
}

async function fromCommand(
  { passwordCommand: command = [], passwordCommandEnv: pass }: SecretReference,
  { subject, what: name = 'password', baseDir, environment, trust, signal }: SecretContext,
): Promise<Secret> {
  const what = `the ${name} command of ${subject}`
  const place = { cwd: baseDir, environment, trust }
  const end = await runUserCommand(place, { what, command, pass, timeoutMs: COMMAND_TIMEOUT_MS, signal })
  const how = end.late ? 'it took longer than a minute' : end.code === undefined ? 'it was killed' : undefined
  if (how === undefined && end.code === 0) return new Secret(trimAsRestic(end.stdout))
  // What the program wrote is not shown, also when it fails: it may hold the password or a part of it.
  const [program = ''] = command
  throw new AppError('config-invalid', `${what}, ${program}, failed: ${how ?? `exit code ${end.code}`}`, {
    hint: 'Run it by hand to see why. If it needs a variable of the environment, name that in passwordCommandEnv.',
    context: { program },
  })
}

function requireContent(secret: Secret, what: string, context: SecretContext): void {
  if (secret.reveal() !== '') return
  throw new AppError('config-invalid', `${what} of ${context.subject} is empty`, {
    hint: `Put the ${nameOf(context)} there.`,
  })
}

function nameOf({ what = 'password' }: SecretContext): string {
  return what
}
