import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import type { DoctorCheck } from './doctor-check.ts'

interface Tool {
  readonly name: string
  readonly versionArgs: readonly string[]
  /** What it is good for; none of them is needed for a backup. */
  readonly purpose: string
  /** Debian's package. */
  readonly package: string
}

const TOOLS: readonly Tool[] = [
  { name: 'restic', versionArgs: ['version'], purpose: 'reads our repositories without us', package: 'restic' },
  { name: 'sqlite3', versionArgs: ['--version'], purpose: 'looks into restored databases', package: 'sqlite3' },
  { name: 'getfattr', versionArgs: ['--version'], purpose: 'captures extended attributes', package: 'attr' },
  { name: 'setfattr', versionArgs: ['--version'], purpose: 'restores extended attributes', package: 'attr' },
]

const VERSION_TIMEOUT_MS = 5000

/** Which programs that we can work with are here, where, and of which version. */
export async function findTools(searchPath: string, signal: AbortSignal): Promise<DoctorCheck[]> {
  return Promise.all(TOOLS.map(tool => checkTool(tool, searchPath, signal)))
}

async function checkTool(tool: Tool, searchPath: string, signal: AbortSignal): Promise<DoctorCheck> {
  const common = { area: 'tools', name: tool.name } as const
  const path = await findProgram(tool.name, searchPath)
  if (path === undefined) {
    const hint = `If you want it: sudo apt-get install ${tool.package}.`
    return { ...common, status: 'info', message: `not found (${tool.purpose})`, hint }
  }
  const version = await versionOf(path, tool.versionArgs, signal)
  return { ...common, status: 'ok', message: version === undefined ? path : `${path}, ${version}` }
}

/** Would it start? `program` as for `spawn`: a name is looked for on the PATH, what has a slash is a path. */
export async function isRunnable(program: string, searchPath: string): Promise<boolean> {
  if (program.includes('/')) return isExecutable(program)
  return (await findProgram(program, searchPath)) !== undefined
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const path = join(folder, name)
    if (isAbsolute(folder) && (await isExecutable(path))) return path
  }
  return undefined
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first thing in its output that looks like a version. */
function versionOf(path: string, args: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise(resolve => {
    const options = { timeout: VERSION_TIMEOUT_MS, signal, maxBuffer: 64 * 1024 }
    execFile(path, [...args], options, (error, stdout, stderr) => {
      resolve(error ? undefined : /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0])
    })
  })
}
