import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Clock } from '../../base/clock.ts'
import { AppError, isAppError, messageOf } from '../../base/errors.ts'
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

const RESOURCE = 'https://storage.azure.com/'
/** The metadata service of a machine answers at once, or there is none. */
const METADATA_MS = 1000

const tokenAnswer = z.object({
  access_token: z.string().min(1),
  // A number from one service, text from the other.
  expires_in: z.coerce.number(),
})

/**
 * The first that there is of: a workload identity (`AZURE_FEDERATED_TOKEN_FILE`), an application's secret
 * (`AZURE_CLIENT_SECRET`), the identity of the machine. `storage-denied` where there is none.
 *
 * @see https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
export async function findToken({ environment, clock }: CredentialContext): Promise<AccessToken> {
  const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client } = environment
  const { AZURE_FEDERATED_TOKEN_FILE: tokenFile, AZURE_CLIENT_SECRET: secret } = environment
  if (tenant && client && (tokenFile || secret)) {
    const proof = tokenFile ? await assertionIn(tokenFile) : { client_secret: secret ?? '' }
    const host = environment['AZURE_AUTHORITY_HOST'] || 'https://login.microsoftonline.com'
    const url = new URL(`${encodeURIComponent(tenant)}/oauth2/v2.0/token`, host.endsWith('/') ? host : `${host}/`)
    if (isInClear(url)) {
      throw new AppError('storage-denied', 'AZURE_AUTHORITY_HOST would send credentials over the network in clear', {
        hint: 'It must begin with https.',
      })
    }
    const form = { grant_type: 'client_credentials', client_id: client, scope: `${RESOURCE}.default`, ...proof }
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = [Buffer.from(new URLSearchParams(form).toString())]
    return await ask(url, { method: 'POST', headers, body }, environment, clock)
  }
  const ofMachine = await tokenOfMachine(environment, clock)
  if (ofMachine !== undefined) return ofMachine
  throw new AppError('storage-denied', 'no credentials for Azure', {
    hint: 'Set AZURE_ACCOUNT_KEY or AZURE_ACCOUNT_SAS, or write storage: { accountKey: { env: VARIABLE } } beside the url.',
  })
}

async function assertionIn(file: string): Promise<Readonly<Record<string, string>>> {
  try {
    const assertion = (await readFile(file, 'utf8')).trim()
    return {
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }
  } catch (error) {
    throw new AppError('storage-denied', `cannot read the token in ${file}: ${messageOf(error)}`, {
      hint: 'Check AZURE_FEDERATED_TOKEN_FILE, and that this user may read the file.',
      cause: error,
    })
  }
}

/** @see https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
async function tokenOfMachine(
  environment: CredentialContext['environment'],
  clock: Pick<Clock, 'now'>,
): Promise<AccessToken | undefined> {
  const { IDENTITY_ENDPOINT: endpoint, IDENTITY_HEADER: header, AZURE_CLIENT_ID: client } = environment
  // App Service and Functions have a service of their own.
  const ofApp =
    endpoint && header ? { url: endpoint, headers: { 'x-identity-header': header }, version: '2019-08-01' } : undefined
  const {
    url: base,
    headers,
    version,
  } = ofApp ?? {
    url: environment['AZURE_POD_IDENTITY_AUTHORITY_HOST'] || 'http://169.254.169.254/metadata/identity/oauth2/token',
    headers: { metadata: 'true' },
    version: '2018-02-01',
  }
  const url = new URL(base)
  url.search = new URLSearchParams({
    'api-version': version,
    resource: RESOURCE,
    ...(client ? { client_id: client } : {}),
  }).toString()
  // Never by a proxy.
  return await ask(url, { method: 'GET', headers, signal: AbortSignal.timeout(METADATA_MS) }, {}, clock).catch(
    () => undefined,
  )
}

async function ask(
  url: URL,
  request: Omit<HttpRequest, 'origin' | 'path'>,
  environment: CredentialContext['environment'],
  clock: Pick<Clock, 'now'>,
): Promise<AccessToken> {
  try {
    const answer = await askIssuer(url, request, environment)
    if (answer.status !== 200) throw refused(`${url.host} answered with ${issuerError(answer)}`)
    const { access_token, expires_in } = tokenAnswer.parse(JSON.parse(answer.body.toString('utf8')))
    return { value: new Secret(access_token), expiresAt: new Date(clock.now().getTime() + expires_in * 1000) }
  } catch (error) {
    if (isAppError(error)) throw error
    throw refused(
      error instanceof SyntaxError || error instanceof z.ZodError ? 'the answer is no token' : messageOf(error),
    )
  }
}

function refused(why: string): AppError {
  return new AppError('storage-denied', `no access token for Azure: ${why}`, {
    hint: 'Check AZURE_TENANT_ID and AZURE_CLIENT_ID, and what the identity may do.',
  })
}
