export { type AzureAuthorization, AzureClient } from './azure-client.ts'
export { findToken } from './credentials.ts'
export { AzureFailure } from './failure.ts'
