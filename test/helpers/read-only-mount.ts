import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { skipSmallDisk } from './small-disk.ts'

/** As with small disks: only root may mount, and not everywhere. */
export const skipReadOnlyMount = skipSmallDisk

/** Shows `folder` at `at` too, where nobody can write to it, until the running test ends. At `folder` itself they go on. */
export function mountReadOnly(folder: string, at: string): void {
  mkdirSync(at)
  run('mount', '--bind', folder, at)
  onTestFinished(() => void spawnSync('umount', ['-l', at]))
  run('mount', '-o', 'remount,bind,ro', at)
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}
