import { lstat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { App, bringBackConfiguration } from '../../app/app.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import { formatTime } from '../../base/times.ts'
import { typedPath } from '../../base/typed-path.ts'
import { SHORT_ID_DIGITS } from '../../model/recovery-point.ts'
import { isRepositoryUrl, typedRepositoryUrl } from '../../model/repository-url.ts'
import type { KeptConfiguration } from '../../operations/init/find-kept.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Output } from '../command.ts'

type BroughtBack = Awaited<ReturnType<typeof bringBackConfiguration>>
type NamedFile = BroughtBack['files'][number]

/** `lifeboat init --from URL`: the configuration that the newest snapshot there keeps, for this machine. */
export async function initFrom(call: Call, from: string, file: string): Promise<Output<Printed<'init'>>> {
  if (call.values.text('to') !== undefined || call.values.text('repo') !== undefined) {
    throw new AppError('usage', '--from stands alone: it says where the repository is', {
      hint: 'Leave out --to and --repo.',
    })
  }
  if (!isRepositoryUrl(from)) {
    throw new AppError('usage', `--from needs the URL or path of a repository, not "${from}"`, {
      hint: `A folder is written as a path: ./${from}`,
    })
  }
  const { bringBackConfiguration } = await import('../../app/app.ts')
  const { findKeptConfiguration } = await import('../../operations/init/find-kept.ts')
  const { configExists, createConfig, ignoreInGit } = await import('../../operations/init/init.ts')
  if (await configExists(file)) throw inTheWay(file)
  const url = typedRepositoryUrl(from, process.cwd(), call.environment)
  const app = await call.openApp({ configFile: false, repository: url })
  const kept = await findKeptConfiguration(app, url, call.values.text('host'))
  const back = await bringBackConfiguration(kept.text, { url, password: passwordOf(app, url) })
  const folder = dirname(file)
  await createConfig(file, back.text).catch((error: unknown) => {
    throw isAppError(error, 'config-exists') ? inTheWay(file) : error
  })
  const gitignore = await ignoreInGit(folder, [join(folder, '.lifeboat')])
  const missing = {
    variables: back.variables.filter(name => !call.environment[name]),
    files: await missingFiles(back.files, folder, call),
  }
  return {
    json: {
      config: file,
      configCreated: true,
      found: null,
      repositories: [],
      gitignore,
      from: {
        url,
        repository: back.repository,
        snapshot: kept.snapshot.id,
        time: kept.snapshot.time,
        hostname: kept.snapshot.hostname,
        leftOut: back.leftOut,
        missing,
      },
    },
    text: report(file, url, kept, back, missing),
  }
}

function inTheWay(file: string): AppError {
  return new AppError('config-exists', `${file} exists already, and is left as it is`, {
    hint: 'Run it in an empty folder, or say where the file goes with --config FILE.',
  })
}

/** What just opened the repository; undefined: somebody typed it. */
function passwordOf(app: App, url: string) {
  const { password } = app.repositoryPlace(url)
  if (password?.kind === 'file') return { passwordFile: password.path }
  return password?.kind === 'variable' ? { passwordEnv: password.name } : undefined
}

async function missingFiles(files: readonly NamedFile[], folder: string, call: Call): Promise<NamedFile[]> {
  const missing: NamedFile[] = []
  for (const file of files) {
    try {
      await lstat(resolve(folder, typedPath(file.path, call.environment)))
    } catch {
      missing.push(file)
    }
  }
  return missing
}

function report(
  file: string,
  url: string,
  { snapshot }: KeptConfiguration,
  { repository, leftOut }: BroughtBack,
  missing: { readonly variables: readonly string[]; readonly files: readonly NamedFile[] },
): string {
  const lines = [
    `Wrote ${file}, as host ${snapshot.hostname} had it at ${formatTime(snapshot.time)} (snapshot ${snapshot.id.slice(0, SHORT_ID_DIGITS)})`,
    `Repository ${repository} is ${url} in it.`,
  ]
  if (leftOut.length > 0) {
    lines.push('', 'Left out, for it runs programs or sends requests. It is at the end of the file, as comments:')
    lines.push(...leftOut.map(({ key, value }) => `  ${key}: ${JSON.stringify(value)}`))
  }
  if (missing.variables.length + missing.files.length > 0) {
    lines.push('', 'Missing on this machine:')
    lines.push(...missing.variables.map(name => `  variable ${name}: ${sayOf(name)}`))
    lines.push(...missing.files.map(({ key, path }) => `  file ${path} (${key})`))
    lines.push('', 'Bring these, then run: lifeboat doctor')
  } else lines.push('', 'Next: lifeboat doctor')
  lines.push('Then look what can be restored: lifeboat snapshots')
  return `${lines.join('\n')}\n`
}

function sayOf(name: string): string {
  return name.startsWith('REMOVED_')
    ? 'a secret stood there in clear; set it, or change the line'
    : 'set it in the environment, or in the envFile'
}
