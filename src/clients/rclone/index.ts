export { RcloneFailure } from './failure.ts'
export { RcloneClient } from './rclone-client.ts'
