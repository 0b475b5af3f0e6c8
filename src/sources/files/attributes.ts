import { AppError } from '../../base/errors.ts'
import { findTool, runTool } from '../../base/process.ts'
import type { ExtendedAttribute } from '../../model/node.ts'
import type { RawPath } from './raw-path.ts'

/**
 * Extended attributes (POSIX ACLs and file capabilities among them) by the tools of the package `attr`, since Node has
 * no call for them. Paths go through `xargs -0`: the tool takes them as arguments only, and Node's own arguments can't
 * hold names that are not UTF-8.
 */

/** How many paths one run of the tool gets. */
export const PATHS_PER_RUN = 1000

export async function canReadAttributes(): Promise<boolean> {
  return (await findTool('getfattr')) !== undefined && (await findTool('xargs')) !== undefined
}

export async function canWriteAttributes(): Promise<boolean> {
  return (await findTool('setfattr')) !== undefined
}

/**
 * The attributes of the given absolute paths; one without any is not in the map. What can't be read (vanished, closed
 * to us, a file system without attributes) counts as having none.
 */
export async function readAttributes(
  paths: readonly RawPath[],
  signal: AbortSignal,
): Promise<ReadonlyMap<RawPath, readonly ExtendedAttribute[]>> {
  const options = ['-d', '-m', '-', '-h', '-e', 'base64', '--absolute-names', '--']
  const stdin = Buffer.from(`${paths.join('\0')}\0`, 'latin1')
  const { stdout, code, stderr } = await runTool('xargs', ['-0', 'getfattr', ...options], { stdin, signal })
  // 123: some paths could not be read, which is said of them when they are. Anything else is about the tool itself.
  if (code !== 0 && code !== 123) throw new AppError('tool-failed', `getfattr failed: ${stderr.trim()}`)
  return parseAttributes(stdout.toString('latin1'))
}

/** Sets attributes; returns what the tool complained of, one line an attribute or file. */
export async function writeAttributes(
  attributes: ReadonlyMap<RawPath, readonly ExtendedAttribute[]>,
  signal: AbortSignal,
): Promise<string[]> {
  const stdin = Buffer.from(formatAttributes(attributes), 'latin1')
  const { code, stderr } = await runTool('setfattr', ['-h', '--restore=-'], { stdin, signal })
  const lines = stderr.split('\n').filter(line => line !== '')
  return code !== 0 && lines.length === 0 ? [`setfattr ended with exit code ${code}`] : lines
}

/** Parses what `getfattr -d -e base64` prints. Exported for its test. */
export function parseAttributes(output: string): Map<RawPath, ExtendedAttribute[]> {
  const found = new Map<RawPath, ExtendedAttribute[]>()
  let current: ExtendedAttribute[] = []
  for (const line of output.split('\n')) {
    if (line.startsWith('# file: ')) {
      current = []
      found.set(unquote(line.slice('# file: '.length)), current)
      continue
    }
    const equals = line.indexOf('=')
    if (equals <= 0) continue
    const value = line.slice(equals + 1)
    const name = Buffer.from(unquote(line.slice(0, equals)), 'latin1').toString('utf8')
    current.push({ name, value: Buffer.from(value.startsWith('0s') ? value.slice(2) : '', 'base64') })
  }
  return found
}

/** The form that `setfattr --restore` reads. Exported for its test. */
export function formatAttributes(attributes: ReadonlyMap<RawPath, readonly ExtendedAttribute[]>): string {
  let text = ''
  for (const [path, list] of attributes) {
    text += `# file: ${quote(path)}\n`
    for (const { name, value } of list) {
      const raw = Buffer.from(name, 'utf8').toString('latin1')
      text += `${quote(raw)}=0s${Buffer.from(value).toString('base64')}\n`
    }
    text += '\n'
  }
  return text
}

/** As the tool does it: a backslash and three octal digits. All that is not plain is escaped, so nothing can end a line. */
function quote(raw: string): string {
  return raw.replace(/[^!-<>-[\]-~]/g, char => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

function unquote(quoted: string): string {
  return quoted.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8) & 0xff))
}
