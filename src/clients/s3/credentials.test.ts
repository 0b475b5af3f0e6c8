import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeTempDir } from '../../../test/helpers/tempdir.ts'
import { systemRandom } from '../../base/random.ts'
import { findCredentials } from './credential-chain.ts'
import type { IssuedCredentials } from './issued-credentials.ts'
import { parseProfiles } from './profile-files.ts'

/** No machine is asked. */
const ALONE = { AWS_EC2_METADATA_DISABLED: 'true' }

function find(environment: Record<string, string>, profile?: string): Promise<IssuedCredentials> {
  const otherVariables = [['BACKUP_S3_ACCESS_KEY', 'BACKUP_S3_SECRET_KEY']] as const
  return findCredentials({ environment, random: systemRandom, region: 'us-east-1', profile, otherVariables })
}

const shown = ({ accessKeyId, secretAccessKey, sessionToken }: IssuedCredentials) =>
  [accessKeyId, secretAccessKey.reveal(), sessionToken?.reveal()] as const

function awsFolder(credentials: string, config = ''): Record<string, string> {
  const folder = makeTempDir()
  const files = { AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'), AWS_CONFIG_FILE: join(folder, 'config') }
  writeFileSync(files.AWS_SHARED_CREDENTIALS_FILE, credentials)
  writeFileSync(files.AWS_CONFIG_FILE, config)
  return { ...ALONE, ...files }
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const ISSUED = { AccessKeyId: 'ASIA', SecretAccessKey: 'secret', Token: 'token', Expiration: '2030-01-01T00:00:00Z' }

test('AWS’s variables come first, then those of an older tool', async () => {
  const other = { BACKUP_S3_ACCESS_KEY: 'B', BACKUP_S3_SECRET_KEY: 'b' }
  const own = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'a', AWS_SESSION_TOKEN: 't' }
  expect(shown(await find({ ...ALONE, ...other, ...own }))).toEqual(['A', 'a', 't'])
  expect(shown(await find({ ...ALONE, ...other, AWS_SESSION_TOKEN: 't' }))).toEqual(['B', 'b', undefined])
})

test('a profile is found in both files, by AWS_PROFILE or by name, and the credentials file wins', async () => {
  const environment = awsFolder(
    '[default]\naws_access_key_id = D\naws_secret_access_key=d\n[work]\naws_access_key_id=W\n',
    '[profile work]\nAWS_SECRET_ACCESS_KEY = w # a comment\naws_access_key_id = other\ns3 =\n  addressing_style = path\n',
  )
  expect(shown(await find(environment))).toEqual(['D', 'd', undefined])
  expect(shown(await find({ ...environment, AWS_PROFILE: 'work' }))).toEqual(['W', 'w', undefined])
  const set = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'a' }
  expect(shown(await find({ ...environment, ...set }, 'work'))).toEqual(['W', 'w', undefined])
})

test('says which profile is missing, and which way to get keys is not ours', async () => {
  const environment = awsFolder('[a]\nx=y\n', '[profile sso]\nsso_session = corp\n')
  await expect(find({ ...environment, AWS_PROFILE: 'b' })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(/^there is no profile b in /),
  })
  await expect(find(environment, 'sso')).rejects.toMatchObject({
    code: 'unsupported',
    hint: expect.stringContaining('aws configure export-credentials --profile sso'),
  })
  await expect(find(environment, 'a')).rejects.toMatchObject({ code: 'storage-denied' })
  await expect(find(awsFolder(''))).rejects.toMatchObject({ hint: expect.stringContaining('AWS_ACCESS_KEY_ID') })
})

test('reads the files as AWS does: white space, comments, sections that come twice', () => {
  const text =
    '\ufeff# c\r\n[ profile   a ]\r\nk = 1\r\n; c\r\n[b]\nk=x=y\n[profile a]\nl = 2 ;c\n  nested = 3\nnonsense\n'
  expect(Object.fromEntries([...parseProfiles(text)].map(([name, all]) => [name, Object.fromEntries(all)]))).toEqual({
    'profile a': { k: '1', l: '2' },
    b: { k: 'x=y' },
  })
})

test('a web identity is given to STS for credentials of the role', async () => {
  const tokenFile = join(makeTempDir(), 'token')
  writeFileSync(tokenFile, 'a-web-token\n')
  let form = ''
  const sts = await serve((request, response) => {
    request.setEncoding('utf8').on('data', (part: string) => {
      form += part
    })
    request.on('end', () =>
      response.end(
        `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
      ),
    )
  })
  const role = 'arn:aws:iam::1:role/backup'
  const environment = { ...awsFolder(''), AWS_ENDPOINT_URL_STS: sts }
  const issued = await find({ ...environment, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: role })
  expect(shown(issued)).toEqual(['ASIA', 'secret', 'token'])
  expect(issued.expiresAt).toEqual(new Date('2030-01-01T00:00:00Z'))
  expect(Object.fromEntries(new URLSearchParams(form))).toMatchObject({
    Action: 'AssumeRoleWithWebIdentity',
    RoleArn: role,
    WebIdentityToken: 'a-web-token',
  })
})

test('STS that refuses is quoted by its code, without the token', async () => {
  const tokenFile = join(makeTempDir(), 'token')
  writeFileSync(tokenFile, 'a-web-token')
  const sts = await serve((_request, response) =>
    response
      .writeHead(400)
      .end('<ErrorResponse><Error><Code>ExpiredToken</Code><Message>a-web-token</Message></Error></ErrorResponse>'),
  )
  const environment = {
    ...awsFolder(''),
    AWS_ENDPOINT_URL_STS: sts,
    AWS_ROLE_ARN: 'r',
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
  }
  const thrown: unknown = await find(environment).catch((error: unknown) => error)
  expect(thrown).toMatchObject({
    code: 'storage-denied',
    message: 'no credentials of the role: status 400, ExpiredToken',
  })
  expect(String(thrown) + JSON.stringify(thrown)).not.toContain('a-web-token')
})

test('a container is asked with its token, and only on this machine without https', async () => {
  const origin = await serve((request, response) =>
    request.headers.authorization === 'Basic x' && request.url === '/get?id=1'
      ? response.end(JSON.stringify(ISSUED))
      : response.writeHead(403).end(),
  )
  const environment = { ...awsFolder(''), AWS_CONTAINER_CREDENTIALS_FULL_URI: `${origin}/get?id=1` }
  expect(shown(await find({ ...environment, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Basic x' }))).toEqual([
    'ASIA',
    'secret',
    'token',
  ])
  await expect(find(environment)).rejects.toMatchObject({ message: 'no credentials of the container: status 403' })
  const elsewhere = { ...environment, AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/get' }
  await expect(find(elsewhere)).rejects.toMatchObject({ code: 'config-invalid' })
})

test('an instance is asked last, by a session of the second version', async () => {
  const asked: string[] = []
  const origin = await serve((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const session = request.headers['x-aws-ec2-metadata-token']
    if (request.method === 'PUT') response.end('a-session')
    else if (session !== 'a-session') response.writeHead(401).end()
    else response.end(request.url?.endsWith('/') ? 'a-role' : JSON.stringify(ISSUED))
  })
  const environment = awsFolder('')
  const asks = { ...environment, AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: origin }
  expect(shown(await find(asks))).toEqual(['ASIA', 'secret', 'token'])
  const path = '/latest/meta-data/iam/security-credentials/'
  expect(asked).toEqual(['PUT /latest/api/token', `GET ${path}`, `GET ${path}a-role`])
})

test('a machine that does not answer at once has none', async () => {
  const origin = await serve(() => {})
  const asks = { ...awsFolder(''), AWS_EC2_METADATA_DISABLED: '', AWS_EC2_METADATA_SERVICE_ENDPOINT: origin }
  await expect(find(asks)).rejects.toMatchObject({ code: 'storage-denied' })
})
