import type { StorageAccess } from '../../model/storage-access.ts'
import type { GcsOptions } from './options.ts'
import { parseGcsUrl } from './url.ts'

/** @see https://cloud.google.com/storage/docs/access-control/iam-roles */
export function gcsAccess(url: string, { credentials }: GcsOptions): StorageAccess {
  const { bucket, prefix } = parseGcsUrl(url)
  const grant = (role: string, condition = ''): string =>
    `gcloud storage buckets add-iam-policy-binding gs://${bucket} --member=serviceAccount:ACCOUNT --role=roles/storage.${role}${condition}`
  const below = (folder: string): string =>
    `resource.name.startsWith("projects/_/buckets/${bucket}/objects/${prefix}${folder}/")`
  const onlyPassing = ` --condition='title=lifeboat,expression=${below('locks')} || ${below('logs-unfinished')}'`
  return {
    credentials:
      credentials === undefined
        ? [
            {
              what: 'key file of a service account of Google Cloud',
              variables: ['GOOGLE_APPLICATION_CREDENTIALS'],
              elsewhere: 'GOOGLE_ACCESS_TOKEN, the login of gcloud, or the account of the machine',
            },
          ]
        : [],
    permissions: [
      {
        title: 'Roles for backups, restores and checks: packs and snapshots cannot be replaced or deleted',
        text: [grant('objectViewer'), grant('objectCreator'), grant('objectUser', onlyPassing)].join('\n'),
      },
      { title: 'Role for forget and prune too', text: grant('objectUser') },
    ],
  }
}
