export { type AccessToken, findToken, tokenOf } from './credentials.ts'
export { GcsFailure } from './failure.ts'
export { GcsClient } from './gcs-client.ts'
