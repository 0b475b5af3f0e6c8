import { readFile } from 'node:fs/promises'
import { AppError, messageOf } from '../../base/errors.ts'
import type { Expires } from '../../base/expiring.ts'
import type { Random } from '../../base/random.ts'
import { Secret } from '../../base/secret.ts'
import { askIssuer, type HttpRequest } from '../http/index.ts'
import { parseXml, textOf, type XmlElement } from '../xml/xml.ts'
import type { S3Credentials } from './sign.ts'

export interface IssuedCredentials extends S3Credentials, Expires {}

type Environment = Readonly<Record<string, string | undefined>>

export interface IssuerContext {
  readonly environment: Environment
  readonly random: Random
  readonly region: string
}

/** The metadata service of a machine answers at once, or there is none. */
const INSTANCE_MS = 1000

/**
 * A token of another identity (of a Kubernetes service account, of a CI job) for credentials of a role.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
 */
export async function credentialsOfWebIdentity(
  tokenFile: string,
  roleArn: string,
  { environment, random, region }: IssuerContext,
): Promise<IssuedCredentials> {
  const token = await readSmall(tokenFile, 'the web identity token')
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: roleArn,
    RoleSessionName: environment['AWS_ROLE_SESSION_NAME'] || `lifeboat-${random.bytes(4).toString('hex')}`,
    WebIdentityToken: token,
  })
  const endpoint = new URL(environment['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.amazonaws.com`)
  const body = await ask(endpoint, 'the role', environment, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: [Buffer.from(form.toString())],
  })
  const credentials = find(parsed(body), 'Credentials')
  const field = (name: string): string | undefined => credentials && textOf(credentials, name)
  return issued('the role', {
    id: field('AccessKeyId'),
    secret: field('SecretAccessKey'),
    token: field('SessionToken'),
    expiration: field('Expiration'),
  })
}

/** Of a container on ECS or EKS. Undefined where this is none. */
export async function credentialsOfContainer({ environment }: IssuerContext): Promise<IssuedCredentials | undefined> {
  const relative = environment['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const full = environment['AWS_CONTAINER_CREDENTIALS_FULL_URI']
  if (!relative && !full) return undefined
  const url = relative ? new URL(relative, 'http://169.254.170.2') : new URL(full ?? '')
  if (url.protocol !== 'https:' && !isOfThisHost(url.hostname)) {
    throw new AppError('config-invalid', 'AWS_CONTAINER_CREDENTIALS_FULL_URI names another host without https', {
      hint: 'Credentials would cross the network in clear. Use https.',
    })
  }
  const tokenFile = environment['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']
  const token = tokenFile
    ? await readSmall(tokenFile, 'the container’s authorization token')
    : environment['AWS_CONTAINER_AUTHORIZATION_TOKEN']
  const headers = token ? { authorization: token } : {}
  return issuedJson('the container', await ask(url, 'the container', {}, { method: 'GET', headers }))
}

/**
 * Of an EC2 instance, by the second version of its metadata service. Undefined where none answers within a second.
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
export async function credentialsOfInstance({ environment }: IssuerContext): Promise<IssuedCredentials | undefined> {
  if (environment['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined
  const origin = new URL(environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || 'http://169.254.169.254').origin
  const signal = AbortSignal.timeout(INSTANCE_MS)
  const get = async (path: string, request: Partial<HttpRequest>): Promise<string> =>
    (await ask(new URL(path, origin), 'the instance', {}, { method: 'GET', signal, ...request })).toString('utf8')
  let role: string
  let headers: Record<string, string>
  const roles = '/latest/meta-data/iam/security-credentials/'
  try {
    const ttl = { 'x-aws-ec2-metadata-token-ttl-seconds': '21600' }
    headers = { 'x-aws-ec2-metadata-token': await get('/latest/api/token', { method: 'PUT', headers: ttl, body: [] }) }
    role = (await get(roles, { headers })).trim().split('\n', 1)[0] ?? ''
  } catch {
    // No such machine, or one without a role.
    return undefined
  }
  return issuedJson('the instance', Buffer.from(await get(`${roles}${encodeURIComponent(role)}`, { headers })))
}

/** Who issues is asked over a connection of its own; proxies are for STS alone. */
async function ask(
  url: URL,
  who: string,
  environment: Environment,
  request: Omit<HttpRequest, 'origin' | 'path'>,
): Promise<Buffer> {
  try {
    const answer = await askIssuer(url, request, environment)
    if (answer.status === 200) return answer.body
    throw refused(who, `status ${answer.status}${reasonOf(answer.body)}`)
  } catch (error) {
    throw error instanceof AppError && error.code !== 'interrupted' ? error : refused(who, messageOf(error), error)
  }
}

function refused(who: string, why: string, cause?: unknown): AppError {
  return new AppError('storage-denied', `no credentials of ${who}: ${why}`, {
    hint: 'Check its role and that its identity service can be reached.',
    cause,
  })
}

/** Only the code: a message may repeat what it was sent. */
function reasonOf(body: Buffer): string {
  const error = find(parsed(body), 'Error')
  const code = (error && textOf(error, 'Code')) ?? ''
  return /^[A-Za-z.]{1,60}$/.test(code) ? `, ${code}` : ''
}

function parsed(body: Buffer): XmlElement | undefined {
  try {
    return parseXml(body.toString('utf8'))
  } catch {
    return undefined
  }
}

function find(element: XmlElement | undefined, name: string): XmlElement | undefined {
  if (element === undefined || element.name === name) return element
  for (const child of element.children) {
    const found = find(child, name)
    if (found) return found
  }
  return undefined
}

interface Fields {
  readonly id: unknown
  readonly secret: unknown
  readonly token: unknown
  readonly expiration: unknown
}

function issuedJson(who: string, body: Buffer): IssuedCredentials {
  try {
    const json = JSON.parse(body.toString('utf8')) as Record<string, unknown>
    return issued(who, {
      id: json['AccessKeyId'],
      secret: json['SecretAccessKey'],
      token: json['Token'],
      expiration: json['Expiration'],
    })
  } catch (error) {
    throw error instanceof AppError ? error : refused(who, 'the answer cannot be read')
  }
}

function issued(who: string, { id, secret, token, expiration }: Fields): IssuedCredentials {
  const end = typeof expiration === 'string' ? Date.parse(expiration) : Number.NaN
  if (typeof id !== 'string' || typeof secret !== 'string' || typeof token !== 'string' || Number.isNaN(end)) {
    throw refused(who, 'the answer holds none')
  }
  return {
    accessKeyId: id,
    secretAccessKey: new Secret(secret),
    sessionToken: new Secret(token),
    expiresAt: new Date(end),
  }
}

async function readSmall(file: string, what: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new AppError('config-invalid', `cannot read ${what} ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** Of the machine, and the addresses that ECS and EKS have for it. */
function isOfThisHost(hostname: string): boolean {
  return /^(127\.\d+\.\d+\.\d+|localhost|\[::1\]|169\.254\.170\.(2|23)|\[fd00:ec2::23\])$/.test(hostname)
}
