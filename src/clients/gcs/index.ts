export { type AccessToken, findToken, tokenOf } from './credentials.ts'
export { GcsFailure } from './failure.ts'
export { GcsClient, type GcsObject } from './gcs-client.ts'
