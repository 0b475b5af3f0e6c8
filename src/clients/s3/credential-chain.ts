import { AppError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { Secret } from '../../base/secret.ts'
import type { IssuedCredentials } from './issued-credentials.ts'
import {
  credentialsOfContainer,
  credentialsOfInstance,
  credentialsOfWebIdentity,
  type IssuerContext,
} from './issued-credentials.ts'
import { findProfile, keysOfProfile, type Profile } from './profile-files.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface ChainOptions {
  readonly environment: Environment
  readonly random: Random
  /** A profile that a person named: then no other place is looked at. */
  readonly profile?: string | undefined
  /** Other names of variables for keys, after AWS's own: `[['BACKUP_KEY', 'BACKUP_SECRET']]`. */
  readonly otherVariables?: ReadonlyArray<readonly [id: string, secret: string]> | undefined
  /** For STS. */
  readonly region: string
}

/**
 * The first that there is of: variables, the profile's keys, a web identity, the container, the instance.
 * `storage-denied` where there is none.
 *
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
export async function findCredentials(options: ChainOptions): Promise<IssuedCredentials> {
  const { environment, random, region, profile: named, otherVariables = [] } = options
  const context: IssuerContext = { environment, random, region }
  if (named === undefined) {
    const set = ofVariables(environment, [['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'], ...otherVariables])
    if (set) return set
  }
  const profile = await findProfile(named, environment)
  const found = profile && ((await ofProfileRole(profile, context)) ?? keysOfProfile(profile))
  if (found) return found
  if (named !== undefined) throw noCredentials(`the profile ${named} has no keys and no role`)
  return (
    (await ofWebIdentity(environment['AWS_WEB_IDENTITY_TOKEN_FILE'], environment['AWS_ROLE_ARN'], context)) ??
    (await credentialsOfContainer(context)) ??
    (await credentialsOfInstance(context)) ??
    raise(noCredentials('neither the environment, nor ~/.aws, nor this machine has any'))
  )
}

function ofVariables(
  environment: Environment,
  names: ReadonlyArray<readonly [id: string, secret: string]>,
): IssuedCredentials | undefined {
  for (const [idName, secretName] of names) {
    const [accessKeyId, secret] = [environment[idName], environment[secretName]]
    if (!accessKeyId || !secret) continue
    const token = idName === 'AWS_ACCESS_KEY_ID' ? environment['AWS_SESSION_TOKEN'] : undefined
    return {
      accessKeyId,
      secretAccessKey: new Secret(secret),
      sessionToken: token ? new Secret(token) : undefined,
      expiresAt: undefined,
    }
  }
  return undefined
}

async function ofProfileRole({ settings }: Profile, context: IssuerContext): Promise<IssuedCredentials | undefined> {
  return await ofWebIdentity(settings.get('web_identity_token_file'), settings.get('role_arn'), context)
}

async function ofWebIdentity(
  tokenFile: string | undefined,
  roleArn: string | undefined,
  context: IssuerContext,
): Promise<IssuedCredentials | undefined> {
  return tokenFile && roleArn ? await credentialsOfWebIdentity(tokenFile, roleArn, context) : undefined
}

function noCredentials(why: string): AppError {
  return new AppError('storage-denied', `no credentials for S3: ${why}`, {
    hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or write storage: { accessKeyId, secretKey } beside the url.',
  })
}

function raise(error: Error): never {
  throw error
}
