import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Only root may mount, and in many containers not even root: then there is no small disk to fill. */
export const skipSmallDisk = !canMount()
if (skipSmallDisk) console.warn('cannot mount a small disk here (needs root): tests that fill one are skipped')

/** A file system of its own with little space, mounted on `folder` until the running test ends. */
export class SmallDisk {
  readonly folder: string

  constructor(folder: string, sizeBytes: number) {
    this.folder = folder
    mkdirSync(folder, { recursive: true })
    run('mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'lifeboat-test', folder)
    onTestFinished(() => void spawnSync('umount', ['-l', folder]))
  }

  /** Takes all the space that is left. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.folder)
    writeFileSync(join(this.folder, 'filler'), Buffer.alloc(bavail * bsize))
  }

  /** Gives back what `fill` took. */
  unfill(): void {
    rmSync(join(this.folder, 'filler'))
  }

  /** Never below what is used. */
  resize(sizeBytes: number): void {
    run('mount', '-o', `remount,size=${sizeBytes}`, this.folder)
  }
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false
  const folder = mkdtempSync(join(tmpdir(), 'lifeboat-mount-'))
  const { status } = spawnSync('mount', ['-t', 'tmpfs', 'lifeboat-test', folder])
  if (status === 0) spawnSync('umount', ['-l', folder])
  rmSync(folder, { recursive: true, force: true })
  return status === 0
}
