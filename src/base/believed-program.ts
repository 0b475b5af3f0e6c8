import { constants } from 'node:fs'
import { access, type FileHandle } from 'node:fs/promises'
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
  if (!(await isThere(program, cwd, searchPath))) throw notThere(what, program, cwd)
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

/** Is there such a program that we may run? */
async function isThere(program: string, cwd: string, searchPath: string): Promise<boolean> {
  const places = program.includes('/')
    ? [resolve(cwd, program)]
    : searchPath.split(delimiter).flatMap(folder => (folder === '' ? [] : [join(folder, program)]))
  for (const place of places) {
    const found = await access(place, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}

function notThere(what: string, program: string, cwd: string): AppError {
  const isPath = program.includes('/')
  return new AppError('tool-missing', `${what}: there is no program ${isPath ? resolve(cwd, program) : program}`, {
    hint: isPath
      ? 'Correct the path, or make the file executable with "chmod +x". A relative path starts at the folder of lifeboat.yaml.'
      : `Install ${program}, or write its absolute path: it is not on the PATH.`,
  })
}
