import { createSign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { AppError, isAppError, messageOf, systemCode } from '../../base/errors.ts'
import type { Expires } from '../../base/expiring.ts'
import { Secret } from '../../base/secret.ts'
import { askIssuer, type HttpRequest, isInClear, issuerError } from '../http/index.ts'

export interface AccessToken extends Expires {
  readonly value: Secret
}

export interface CredentialContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly clock: Pick<Clock, 'now'>
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'
/** Longer than Google allows is refused. */
const ASSERTION_SECONDS = 3600
/** The metadata server of a machine answers at once, or there is none. */
const METADATA_MS = 1000

const serviceAccount = z.object({
  type: z.literal('service_account'),
  client_email: z.string(),
  private_key: z.string(),
  private_key_id: z.string().optional(),
  token_uri: z.url().default(TOKEN_URI),
})
const authorizedUser = z.object({
  type: z.literal('authorized_user'),
  client_id: z.string(),
  client_secret: z.string(),
  refresh_token: z.string(),
})
const credentialFile = z.discriminatedUnion('type', [serviceAccount, authorizedUser])
const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number() })

/**
 * The first that there is of: a token in the environment, the file that `GOOGLE_APPLICATION_CREDENTIALS` names, the file
 * that `gcloud auth application-default login` writes, the machine that this runs on. `storage-denied` where there is none.
 *
 * @see https://cloud.google.com/docs/authentication/application-default-credentials
 */
export async function findToken(context: CredentialContext): Promise<AccessToken> {
  const { environment } = context
  const token = environment['GOOGLE_ACCESS_TOKEN']
  if (token) return { value: new Secret(token), expiresAt: undefined }
  const named = environment['GOOGLE_APPLICATION_CREDENTIALS']
  if (named) return await tokenOf(await readCredentials(named), named, context)
  const file = join(
    environment['CLOUDSDK_CONFIG'] || join(homedir(), '.config/gcloud'),
    'application_default_credentials.json',
  )
  const found = await readCredentials(file).catch((error: unknown) => {
    if (isAppError(error) && systemCode(error.cause) === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined) return await tokenOf(found, file, context)
  const ofMachine = await tokenOfMachine(context)
  if (ofMachine !== undefined) return ofMachine
  throw new AppError('storage-denied', 'no credentials for Google Cloud Storage', {
    hint: 'Set GOOGLE_APPLICATION_CREDENTIALS to the key file of a service account, or write storage: { credentials: { file: key.json } } beside the url.',
  })
}

/** Of the key of a service account, or of a person's login, as JSON. `where`: for errors. */
export async function tokenOf(json: Secret, where: string, context: CredentialContext): Promise<AccessToken> {
  const credentials = parseCredentials(json, where)
  if (credentials.type === 'service_account') {
    const assertion = signedAssertion(credentials, where, context.clock.now())
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
    return await askForToken(credentials.token_uri, form, where, context)
  }
  const { client_id, client_secret, refresh_token } = credentials
  const form = { grant_type: 'refresh_token', client_id, client_secret, refresh_token }
  return await askForToken(TOKEN_URI, form, where, context)
}

async function readCredentials(file: string): Promise<Secret> {
  try {
    return new Secret(await readFile(file, 'utf8'))
  } catch (error) {
    throw new AppError('storage-denied', `cannot read the credentials in ${file}: ${messageOf(error)}`, {
      hint: 'Check GOOGLE_APPLICATION_CREDENTIALS, and that this user may read the file.',
      cause: error,
    })
  }
}

function parseCredentials(json: Secret, where: string): z.infer<typeof credentialFile> {
  let content: unknown
  try {
    content = JSON.parse(json.reveal())
  } catch {
    content = undefined
  }
  const parsed = credentialFile.safeParse(content)
  if (parsed.success) return parsed.data
  // Nothing of what is in it may be shown.
  throw new AppError('storage-denied', `${where} holds neither the key of a service account nor a login`, {
    hint: 'Create a JSON key of a service account, or run "gcloud auth application-default login".',
  })
}

/** @see https://developers.google.com/identity/protocols/oauth2/service-account#httprest */
function signedAssertion(account: z.infer<typeof serviceAccount>, where: string, now: Date): string {
  const seconds = Math.floor(now.getTime() / 1000)
  const header = { alg: 'RS256', typ: 'JWT', ...(account.private_key_id ? { kid: account.private_key_id } : {}) }
  const claims = {
    iss: account.client_email,
    scope: SCOPE,
    aud: account.token_uri,
    iat: seconds,
    exp: seconds + ASSERTION_SECONDS,
  }
  const unsigned = `${base64url(header)}.${base64url(claims)}`
  try {
    return `${unsigned}.${createSign('RSA-SHA256').update(unsigned).sign(account.private_key, 'base64url')}`
  } catch {
    throw new AppError('storage-denied', `the private key in ${where} cannot be used`, {
      hint: 'Create a new JSON key of the service account.',
    })
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

async function askForToken(
  uri: string,
  form: Readonly<Record<string, string>>,
  where: string,
  { environment, clock }: CredentialContext,
): Promise<AccessToken> {
  const url = new URL(uri)
  if (isInClear(url)) {
    throw new AppError('storage-denied', `the credentials in ${where} would cross the network in clear`, {
      hint: 'Its token_uri must begin with https.',
    })
  }
  const body = [Buffer.from(new URLSearchParams(form).toString())]
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return await ask(url, { method: 'POST', headers, body }, where, environment, clock)
}

/** Of the account that a machine or a container on Google Cloud runs as. Undefined where this is none. */
async function tokenOfMachine({ environment, clock }: CredentialContext): Promise<AccessToken | undefined> {
  const host = environment['GCE_METADATA_HOST'] || '169.254.169.254'
  const url = new URL(`http://${host}/computeMetadata/v1/instance/service-accounts/default/token`)
  const headers = { 'metadata-flavor': 'Google' }
  const signal = AbortSignal.timeout(METADATA_MS)
  // Never by a proxy.
  return await ask(url, { method: 'GET', headers, signal }, 'this machine', {}, clock).catch(() => undefined)
}

async function ask(
  url: URL,
  request: Omit<HttpRequest, 'origin' | 'path'>,
  where: string,
  environment: CredentialContext['environment'],
  clock: Pick<Clock, 'now'>,
): Promise<AccessToken> {
  try {
    const answer = await askIssuer(url, request, environment)
    if (answer.status !== 200) throw refused(where, `${url.host} answered with ${issuerError(answer)}`)
    const { access_token, expires_in } = tokenAnswer.parse(JSON.parse(answer.body.toString('utf8')))
    return { value: new Secret(access_token), expiresAt: new Date(clock.now().getTime() + expires_in * 1000) }
  } catch (error) {
    if (isAppError(error)) throw error
    const why =
      error instanceof SyntaxError || error instanceof z.ZodError ? 'the answer is no token' : messageOf(error)
    throw refused(where, why)
  }
}

function refused(where: string, why: string): AppError {
  return new AppError('storage-denied', `no access token for the credentials of ${where}: ${why}`, {
    hint: 'Check that the key was not deleted, that the clock is right, and that the token server can be reached.',
  })
}
