export { type FileSystem, type FolderEntry, type Handle, isStatus, SftpClient } from './client.ts'
export { type ConnectionProblem, SftpConnectionError, SftpStatusError, STATUS } from './errors.ts'
export { connectBySsh, type SshPlace } from './ssh.ts'
