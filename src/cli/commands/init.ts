import { access } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { App } from '../../app/app.ts'
import { AppError, isAppError } from '../../base/errors.ts'
import { isRepositoryUrl, repoFlag } from '../../model/repository-url.ts'
import { checksOf } from '../../operations/doctor/check-storage.ts'
import type { Discovery } from '../../operations/init/discovery.ts'
import type { InitializedRepository } from '../../operations/init/init.ts'
import { supportOf } from '../../operations/init/other-find.ts'
import { probeJson } from '../../outputs/init.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'
import { Prompts } from '../prompts.ts'
import { repoOf } from '../selection.ts'

export const init: Command<Printed<'init'>> = {
  name: 'init',
  summary: 'find data worth protecting, propose a configuration, create the repository',
  description: [
    'Searches the current folder for SQLite databases, DATABASE_URL, a Prisma schema, wrangler.toml, a compose file and upload folders, and proposes a lifeboat.yaml. Never shows the values of variables.',
    'If lifeboat.yaml exists, only creates the repositories it names that are missing. Never overwrites anything.',
    'With --from, writes the lifeboat.yaml that the newest backup in that repository keeps, and says what this machine lacks. Hooks, commands that give a password and folders of programs come back as comments: nothing from a repository runs unasked.',
  ],
  options: [
    { flags: '-y, --yes', summary: 'do not ask questions' },
    { flags: '--to <url>', summary: 'where the repository goes (default: ./backups)', complete: 'files' },
    {
      flags: '--from <url>',
      summary: 'bring back the lifeboat.yaml that the backups in this repository keep',
      complete: 'files',
    },
    { flags: '--host <name>', summary: 'with --from: of this host (default: this one, or the only one)' },
  ],
  examples: [
    { command: 'lifeboat init', explains: 'search, propose, ask, then create' },
    { command: 'lifeboat init --yes --to /mnt/disk/backups', explains: 'without questions, to another disk' },
    { command: 'lifeboat init --from /mnt/disk/backups', explains: 'the configuration back, on a new machine' },
    { command: 'lifeboat init --repo /mnt/disk/second', explains: 'only create a repository' },
  ],
  run: async call => {
    const operations = await import('../../operations/init/init.ts')
    const given = call.values.text('config')
    const file = given === undefined ? join(process.cwd(), 'lifeboat.yaml') : resolve(given)
    const from = call.values.text('from')
    if (from !== undefined) return await (await import('./init-from.ts')).initFrom(call, from, file)
    const repo = repoOf(call)
    if (repo !== undefined && isRepositoryUrl(repo)) return await createUnnamed(call, repo)
    const discovery = (await operations.configExists(file)) ? undefined : await propose(call, file)
    if (discovery === undefined && call.values.text('to') !== undefined) throw toWithConfig(file)
    try {
      return await create(call, file, discovery)
    } catch (error) {
      throw discovery === undefined ? error : writtenAlready(error, file)
    }
  },
}

/** The next init takes the configuration as it is, `--to` included: whoever mistyped that has to know. */
function writtenAlready(error: unknown, file: string): unknown {
  if (!isAppError(error) || error.code === 'interrupted') return error
  const hint = `${error.hint ?? ''}\n${file} is written: correct the "url" in it if need be, then run "lifeboat init" again.`
  return new AppError(error.code, error.message, { hint: hint.trim(), context: error.context, cause: error })
}

/** Writes the configuration that a look around suggests. */
async function propose(call: Call, file: string): Promise<Discovery> {
  const { discoverSources } = await import('../../app/kinds.ts')
  const { proposeConfig } = await import('../../operations/init/proposal.ts')
  const { createConfig } = await import('../../operations/init/init.ts')
  const folder = dirname(file)
  const { discovery, examples } = await discoverSources(folder, call.environment, call.signal)
  if (!call.values.flag('quiet')) call.terminal.stderr.write(describe(discovery, folder))
  const schema = await schemaBeside(folder)
  const textFor = (repositoryUrl: string): string =>
    proposeConfig({ repositoryUrl, passwordFile: './.lifeboat/password', discovery, examples, schema })
  const asks = call.terminal.interactive && !call.values.flag('yes')
  const to = call.values.text('to')
  await createConfig(file, asks ? await agree(call, file, textFor) : textFor(to ?? './backups'))
  return discovery
}

/** Asks where to and whether at all; gives the text that was agreed to. */
async function agree(call: Call, file: string, textFor: (url: string) => string): Promise<string> {
  const prompts = new Prompts(call.terminal, call.signal)
  try {
    const url = call.values.text('to') ?? (await prompts.ask('Where should the backups go?', './backups'))
    const text = textFor(url)
    call.terminal.stderr.write(`\n${text}\n`)
    if (await prompts.confirm(`Write this to ${basename(file)} and create the repository?`)) return text
  } finally {
    prompts.close()
  }
  throw new AppError('interrupted', 'nothing was written', { hint: 'Run "lifeboat init" again any time.' })
}

function describe({ sources, others, passedOver }: Discovery, folder: string): string {
  const lines = [
    ...sources.map(({ options, why }) => `  ${Object.values(options).join(', ')}: ${why}`),
    ...others.map(other => `  ${other.what} (${other.where}): ${supportOf(other)}`),
  ]
  const shown = passedOver.slice(0, 8).join(', ')
  const more = passedOver.length > 8 ? ` and ${passedOver.length - 8} more` : ''
  const note = passedOver.length === 0 ? '' : `Not looked into: ${shown}${more}.\n`
  const found =
    lines.length === 0 ? `Found nothing to protect in ${folder}.` : `Found in ${folder}:\n${lines.join('\n')}`
  return `${found}\n${note}`
}

/** The JSON Schema of an installed package, relative to the folder: editors can follow that. */
async function schemaBeside(folder: string): Promise<string | undefined> {
  const schema = 'node_modules/lifeboat/docs/reference/config.schema.json'
  try {
    await access(join(folder, schema))
    return `./${schema}`
  } catch {
    return undefined
  }
}

function toWithConfig(file: string): AppError {
  return new AppError('config-exists', `${file} exists already, so --to has nothing to say`, {
    hint: 'Add the repository to the file, then run "lifeboat init": it creates what is missing.',
  })
}

async function create(call: Call, file: string, discovery: Discovery | undefined): Promise<Output<Printed<'init'>>> {
  const { createRepositories } = await import('../../operations/init/create-repositories.ts')
  const app = await call.openApp({ configFile: file })
  const { repositories, gitignore } = await createRepositories(app, repoOf(call), call.caller)
  const json = {
    config: file,
    configCreated: discovery !== undefined,
    found: discovery ?? null,
    repositories: repositories.map(toJson),
    gitignore,
  }
  return { json, text: report(call, app, repositories, { configCreated: discovery !== undefined, gitignore }) }
}

/** A repository that no configuration names: its password comes from the environment, or is asked for. */
async function createUnnamed(call: Call, url: string): Promise<Output<Printed<'init'>>> {
  const { createRepositories } = await import('../../operations/init/create-repositories.ts')
  if (call.values.text('to') !== undefined) {
    throw new AppError('usage', '--repo and --to both say where', {
      hint: 'Give one: --to writes a lifeboat.yaml too.',
    })
  }
  const app = await call.openApp({ configFile: call.values.text('config') ?? false })
  const { repositories, gitignore } = await createRepositories(app, url, call.caller)
  const [made] = repositories
  const said = report(call, app, repositories, { configCreated: false, gitignore })
  const next = made?.created === true ? '' : `\nNext: lifeboat snapshots${repoFlag(url)}\n`
  return {
    json: { config: null, configCreated: false, found: null, repositories: repositories.map(toJson), gitignore },
    text: said + next,
  }
}

function toJson(repository: InitializedRepository): Printed<'init'>['repositories'][number] {
  const { id = null, passwordFile = null, probe, ...rest } = repository
  return { ...rest, id, passwordFile, probe: probeJson(probe) }
}

function report(
  call: Call,
  app: App,
  repositories: readonly InitializedRepository[],
  done: { readonly configCreated: boolean; readonly gitignore: readonly string[] },
): string {
  const paint = call.terminal.out
  const lines: string[] = []
  if (done.configCreated) lines.push(`Wrote ${app.config.file}`)
  for (const { name, location, created, passwordFile, passwordCreated } of repositories) {
    if (!created) lines.push(`Repository ${name} is there already: ${location}`)
    else lines.push(`Created repository ${name}: ${location}`)
    if (passwordCreated) lines.push(`Its password is in ${passwordFile}, which only you can read.`)
  }
  if (done.gitignore.length > 0) lines.push(`Added ${done.gitignore.join(' and ')} to .gitignore`)
  lines.push(...describeProbes(repositories))
  const made = repositories.find(repository => repository.created)
  if (made !== undefined) lines.push('', paint('bold', lossSentence(made)))
  if (app.config.file === undefined) return `${lines.join('\n')}\n`
  const next = app.config.sources.size === 0 ? 'Name what to protect in lifeboat.yaml, then run:' : 'Next:'
  if (made !== undefined || app.config.sources.size === 0) lines.push('', `${next} lifeboat backup`)
  return `${lines.join('\n')}\n`
}

/** What a storage does not do, and what mends it; nothing where all is well. */
function describeProbes(repositories: readonly InitializedRepository[]): string[] {
  return repositories.flatMap(({ name, probe }) => {
    const checks = probe === undefined ? [] : checksOf(name, probe).filter(({ status }) => status !== 'ok')
    return checks.map(({ status, message, hint }) => {
      const help = hint === undefined ? '' : `\n  ${hint}`
      return `${status}: ${name}: ${message}${help}`
    })
  })
}

function lossSentence({ passwordFile }: InitializedRepository): string {
  const what = passwordFile === undefined ? 'the password' : passwordFile
  return `Keep a copy of ${what} somewhere else: if the password is lost, every backup in this repository is lost, for nobody can open it without.`
}
