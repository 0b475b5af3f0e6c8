import { dirname } from 'node:path/posix'
import { AppError } from '../../base/errors.ts'
import { isStatus, type SftpClient, SftpStatusError, STATUS } from '../../clients/sftp/index.ts'

const FOLDER_MODE = 0o700

/** The folders of a repository on a server; made when something is to be put into them. */
export class Folders {
  readonly #root: string
  #hasConfig = false

  /** @param root absolute, or relative to where a login begins */
  constructor(root: string) {
    this.#root = root
  }

  /** Of a key, or of the root for `''`. */
  path(key: string): string {
    if (key === '') return this.#root
    if (this.#root === '.') return key
    return this.#root === '/' ? `/${key}` : `${this.#root}/${key}`
  }

  /** An object was read or stored here: what is written later belongs beside it. */
  noteObject(key: string): void {
    if (key === 'config') this.#hasConfig = true
  }

  /** Does what needs a folder; where that is missing, makes it and does it again. */
  async within<T>(client: SftpClient, folder: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!isStatus(error, STATUS.noSuchFile)) throw error
      await this.#make(client, folder)
      return await work()
    }
  }

  async #make(client: SftpClient, folder: string): Promise<void> {
    if (folder.length <= this.#root.length || dirname(folder) === this.#root) await this.#requireSameRoot(client)
    if (await isMade(client, folder)) return
    await this.#make(client, dirname(folder))
    if (!(await isMade(client, folder))) throw new SftpStatusError(STATUS.noSuchFile, '')
  }

  /**
   * Where a disk of the server was taken away, an empty mount point is left, or nothing: what is written there would be
   * hidden, or missing, when the disk is back.
   */
  async #requireSameRoot(client: SftpClient): Promise<void> {
    if (!this.#hasConfig) return
    try {
      await client.stat(this.path('config'))
    } catch (error) {
      if (!isStatus(error, STATUS.noSuchFile)) throw error
      throw new AppError('storage-failed', `the folder ${this.#root} is gone, or another one than before`, {
        hint: 'Bring its disk back, then try again.',
        cause: error,
      })
    }
  }
}

/** Makes it, unless it is there. False where that takes its parent first. */
async function isMade(client: SftpClient, folder: string): Promise<boolean> {
  try {
    await client.makeFolder(folder, FOLDER_MODE)
    return true
  } catch (error) {
    if (isStatus(error, STATUS.noSuchFile) && folder !== dirname(folder)) return false
    // Another call, or another program, may have been first: there is no status of its own for that.
    if (error instanceof SftpStatusError && (await isFolder(client, folder))) return true
    throw error
  }
}

async function isFolder(client: SftpClient, path: string): Promise<boolean> {
  try {
    return (await client.stat(path)).kind === 'folder'
  } catch (error) {
    if (error instanceof SftpStatusError) return false
    throw error
  }
}
