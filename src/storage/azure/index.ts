import { defineStorage } from '../storage.ts'
import { azureAccess } from './access.ts'
import { options } from './options.ts'

export const azure = defineStorage({
  kind: 'azure',
  summary: 'A container of Azure Blob Storage',
  forms: ['azure:CONTAINER:/FOLDER'],
  matches: url => /^azure:/i.test(url),
  options,
  folderOf: () => undefined,
  access: azureAccess,
  load: async () => (await import('./open.ts')).openAzureStorage,
})
