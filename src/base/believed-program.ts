import { constants } from 'node:fs'
import { access, type FileHandle, open } from 'node:fs/promises'
import { basename, delimiter, join, resolve } from 'node:path'
import { openToJudge, requireBelieved, type Trust } from './believed-file.ts'
import { AppError, systemCode } from './errors.ts'

/**
 * The program that a command names and the script that it hands to an interpreter: refused when others could have
 * written them. A name without a path is looked for on the PATH, which is the person's own. Throws `config-untrusted`,
 * `tool-missing`.
 */
export async function requireBelievedProgram(
  [program = '', ...args]: readonly string[],
  { what, trust, cwd, searchPath }: { what: string; trust: Trust; cwd: string; searchPath: string },
): Promise<void> {
  const found = await findProgram(program, cwd, searchPath)
  if (found === undefined) throw notThere(what, program, cwd)
  await requireInterpreter(found, what)
  const files = program.includes('/') ? [program] : []
  if (INTERPRETERS.test(basename(program))) files.push(...args.filter(arg => !arg.startsWith('-')))
  for (const file of files) await requireBelievedFile(resolve(cwd, file), { what, trust })
}

const INTERPRETERS =
  /^(ba|da|z|k|a|fi)?sh$|^(node|nodejs|deno|bun|tsx|python|perl|ruby|php|env|sudo|doas|nice|nohup|timeout|setsid)[\d.]*$/

async function requireBelievedFile(path: string, { what, trust }: { what: string; trust: Trust }): Promise<void> {
  if (trust.anybody) return
  let handle: FileHandle
  try {
    handle = await openToJudge(path)
  } catch (error) {
    // Words that name no file. A program that we may run but not read is judged by nobody else either: exec follows.
    if (systemCode(error) !== undefined) return
    throw error
  }
  try {
    const stat = await handle.stat()
    if (stat.isFile()) await requireBelieved(path, stat, { what, trust }, 'run')
  } finally {
    await handle.close()
  }
}

/** The path of such a program that we may run. */
async function findProgram(program: string, cwd: string, searchPath: string): Promise<string | undefined> {
  const places = program.includes('/')
    ? [resolve(cwd, program)]
    : searchPath.split(delimiter).flatMap(folder => (folder === '' ? [] : [join(folder, program)]))
  for (const place of places) {
    if (await isExecutable(place)) return place
  }
  return undefined
}

/** The first line of a script, as the kernel reads it. @see https://man7.org/linux/man-pages/man2/execve.2.html */
const SHEBANG = /^#![ \t]*([^ \t\r\n]+)/
const SHEBANG_BYTES = 256

/** A script whose interpreter is not there can't start, though it is there itself. */
async function requireInterpreter(path: string, what: string): Promise<void> {
  const interpreter = SHEBANG.exec(await readStart(path))?.[1]
  if (interpreter === undefined || (await isExecutable(interpreter))) return
  throw new AppError('tool-missing', `${what}: ${path} needs ${interpreter}, which is not there`, {
    hint: `Install ${interpreter}, or correct the first line of ${path}.`,
  })
}

/** Empty for a program that we may run but not read. */
async function readStart(path: string): Promise<string> {
  const handle = await open(path, 'r').catch(() => undefined)
  if (handle === undefined) return ''
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SHEBANG_BYTES), 0, SHEBANG_BYTES, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
}

function notThere(what: string, program: string, cwd: string): AppError {
  const isPath = program.includes('/')
  return new AppError('tool-missing', `${what}: there is no program ${isPath ? resolve(cwd, program) : program}`, {
    hint: isPath
      ? 'Correct the path, or make the file executable with "chmod +x". A relative path starts at the folder of lifeboat.yaml.'
      : `Install ${program}, or write its absolute path: it is not on the PATH.`,
  })
}
