import type { StorageAccess } from '../../model/storage-access.ts'
import type { AzureOptions } from './options.ts'
import { parseAzureUrl } from './url.ts'

const BLOBS = 'Microsoft.Storage/storageAccounts/blobServices/containers/blobs'

/** @see https://learn.microsoft.com/azure/role-based-access-control/permissions/storage */
export function azureAccess(url: string, { accountName, accountKey, sas }: AzureOptions): StorageAccess {
  const { container } = parseAzureUrl(url)
  const account = accountName ?? 'ACCOUNT'
  const scope = `/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/${account}/blobServices/default/containers/${container}`
  const role = {
    Name: `Lifeboat backups to ${container}`,
    Description: 'Stores and reads blobs, deletes none.',
    Actions: [],
    DataActions: [`${BLOBS}/read`, `${BLOBS}/write`, `${BLOBS}/add/action`],
    AssignableScopes: [scope],
  }
  return {
    credentials: [
      ...(accountName === undefined ? [{ what: 'storage account of Azure', variables: ['AZURE_ACCOUNT_NAME'] }] : []),
      ...(accountKey === undefined && sas === undefined
        ? [
            {
              what: 'key of the storage account',
              variables: ['AZURE_ACCOUNT_KEY'],
              elsewhere: 'AZURE_ACCOUNT_SAS, or the identity of the machine',
            },
          ]
        : []),
    ],
    permissions: [
      {
        title:
          'Role for backups, restores and checks, without deleting (locks stay there until a login that may delete comes by)',
        text: JSON.stringify(role, undefined, 2),
      },
      {
        title: 'Role for forget and prune too',
        text: `az role assignment create --assignee LOGIN --role "Storage Blob Data Contributor" --scope ${scope}`,
      },
    ],
  }
}
