import type { StorageAccess } from '../../model/storage-access.ts'
import type { S3Options } from './options.ts'
import { parseS3Url, type S3Place } from './url.ts'

export function s3Access(url: string, options: S3Options): StorageAccess {
  const place = parseS3Url(url)
  return {
    credentials: options.accessKeyId === undefined ? [keysOf(options)] : [],
    permissions: [
      {
        title: 'IAM policy for backups, restores and checks: packs and snapshots cannot be deleted',
        text: policy(place, `${place.prefix}locks/*`, `${place.prefix}logs-unfinished/*`),
      },
      { title: 'IAM policy for forget and prune too', text: policy(place, `${place.prefix}*`) },
    ],
    withoutConditions:
      'Set storage: { conditionalWrites: false } beside the url: then it is looked for what is there before such an object is stored. Create the repository from one host alone.',
  }
}

function keysOf({ profile }: S3Options): StorageAccess['credentials'][number] {
  if (profile !== undefined) {
    return { what: `keys of the profile ${profile}`, variables: [], elsewhere: 'in ~/.aws/credentials' }
  }
  return {
    what: 'access key of S3',
    variables: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
    elsewhere: 'BACKUP_S3_ACCESS_KEY and BACKUP_S3_SECRET_KEY, ~/.aws/credentials, or the role of the machine',
  }
}

/** @see https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html */
function policy({ bucket, prefix }: S3Place, ...deletable: readonly string[]): string {
  const objects = (path: string): string => `arn:aws:s3:::${bucket}/${path}`
  const statements = [
    {
      Effect: 'Allow',
      Action: ['s3:ListBucket'],
      Resource: `arn:aws:s3:::${bucket}`,
      ...(prefix === '' ? {} : { Condition: { StringLike: { 's3:prefix': `${prefix}*` } } }),
    },
    // restic asks for it.
    { Effect: 'Allow', Action: ['s3:GetBucketLocation'], Resource: `arn:aws:s3:::${bucket}` },
    { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: objects(`${prefix}*`) },
    { Effect: 'Allow', Action: ['s3:DeleteObject'], Resource: deletable.map(objects) },
  ]
  return JSON.stringify({ Version: '2012-10-17', Statement: statements }, undefined, 2)
}
