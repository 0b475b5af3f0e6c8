import { runTool } from '../../../base/process.ts'
import type { Placed } from './batch.ts'

/**
 * Makes fifos and devices by the system's tools, since Node has no call for them. Returns what they complained of; a
 * file that could not be made is simply not there afterwards.
 */
export async function makeSpecialFiles(files: readonly Placed[], signal: AbortSignal): Promise<string> {
  const fifos = files.filter(file => file.node.type === 'fifo').map(file => file.raw)
  const devices = files.filter(file => file.node.type !== 'fifo').flatMap(deviceArguments)
  const complaints = [
    fifos.length === 0 ? '' : await runOver(['mkfifo', '-m', '600'], fifos, signal),
    devices.length === 0 ? '' : await runOver(['-n', '4', 'mknod', '-m', '600'], devices, signal),
  ]
  return complaints.filter(text => text !== '').join('\n')
}

async function runOver(tool: readonly string[], args: readonly string[], signal: AbortSignal): Promise<string> {
  const stdin = Buffer.from(`${args.join('\0')}\0`, 'latin1')
  const { code, stderr } = await runTool('xargs', ['-0', ...tool], { stdin, signal })
  return code === 0 ? '' : stderr.trim()
}

function deviceArguments({ raw, node }: Placed): string[] {
  const { major, minor } = splitDevice(node.device ?? 0n)
  return [raw, node.type === 'dev' ? 'b' : 'c', String(major), String(minor)]
}

/** @see the macros of `makedev(3)` in Linux's C libraries */
export function splitDevice(device: bigint): { major: bigint; minor: bigint } {
  return {
    major: ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n),
    minor: (device & 0xffn) | ((device >> 12n) & 0xffffff00n),
  }
}
