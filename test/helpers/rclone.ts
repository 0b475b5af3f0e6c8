import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { cachedServer } from './server-program.ts'

export const { program: RCLONE, describe: describeWithRclone } = cachedServer('rclone', 'rclone-1.75.2/rclone')

/** A folder with a configuration of rclone whose remote `disk:` is the folder `root` in it. */
export class RcloneRemote {
  readonly folder = mkdtempSync(join(tmpdir(), 'lifeboat-rclone-'))
  readonly root = join(this.folder, 'root')

  constructor() {
    writeFileSync(join(this.folder, 'rclone.conf'), `[disk]\ntype = alias\nremote = ${this.root}\n`)
  }

  /** rclone on the PATH, and where its configuration is. */
  get environment(): Record<string, string> {
    return {
      PATH: `${dirname(RCLONE)}${delimiter}${process.env['PATH'] ?? ''}`,
      HOME: this.folder,
      RCLONE_CONFIG: join(this.folder, 'rclone.conf'),
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
