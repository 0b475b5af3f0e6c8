import type { App } from '../../app/app.ts'
import { AppError } from '../../base/errors.ts'
import { HOOK_NAMES } from '../../model/hook.ts'
import { urlWithoutPassword } from '../../model/repository-url.ts'
import type { PolicySettings } from '../../model/settings.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Command } from '../command.ts'
import { counted } from '../printers/text.ts'

export const configCheck: Command<Printed<'config check'>> = {
  name: 'config check',
  summary: 'check the configuration, and say what it means',
  description: [
    'Reads it as every command does, and names each mistake with its line. Opens no repository and asks no source: "lifeboat doctor" does. Ends with 2 when something is wrong with it.',
  ],
  examples: [
    { command: 'lifeboat config check', explains: 'the one that is in use here' },
    { command: 'lifeboat config check --config ./new.yaml --json', explains: 'another one, for a script' },
  ],
  run: async call => {
    const app = await call.openApp()
    const { file, stateDir, repositories, sources, policies, findings } = app.config
    if (file === undefined) {
      throw new AppError('config-not-found', 'there is no configuration to check', {
        hint: 'Leave --repo out, or name a file: "lifeboat config check --config FILE".',
      })
    }
    const idle = listUnprotected(app)
    return {
      json: {
        file,
        stateDir,
        repositories: [...repositories].map(([name, { url }]) => ({ name, url: urlWithoutPassword(url) })),
        sources: [...sources].map(([name, { kind }]) => ({ name, kind, policies: policiesOf(app, name) })),
        policies: [...policies].map(([name, policy]) => ({ name, ...policyToJson(policy) })),
        findings,
      },
      text: [
        `${file}: ${counted(repositories.size, 'repository', 'repositories')}, ${counted(sources.size, 'source')}, ${counted(policies.size, 'policy', 'policies')}\n`,
        ...[...repositories].map(([name, { url }]) => `repository ${name}: ${urlWithoutPassword(url)}\n`),
        ...[...sources].map(([name, { kind }]) => `source ${name}: ${kind}\n`),
        ...[...policies].map(([name, policy]) => `policy ${name}: ${describePolicy(policy)}\n`),
        ...(idle.length === 0 ? [] : [`In no policy: ${idle.join(', ')}\n`]),
      ],
    }
  },
}

function policiesOf(app: App, source: string): string[] {
  return [...app.config.policies].filter(([, policy]) => policy.sources.includes(source)).map(([name]) => name)
}

/** Where there are policies, what is in none of them was probably forgotten. */
function listUnprotected(app: App): string[] {
  if (app.config.policies.size === 0) return []
  return [...app.config.sources.keys()].filter(source => policiesOf(app, source).length === 0)
}

function policyToJson({ sources, repositories, schedule, timezone, type, verify, ...rest }: PolicySettings) {
  return {
    sources,
    repositories,
    schedule: schedule ?? null,
    timezone: timezone ?? null,
    type: type ?? 'incremental',
    keep: rest.keep === undefined ? null : Object.keys(rest.keep),
    keepIn: Object.fromEntries(Object.entries(rest.keepIn ?? {}).map(([name, rules]) => [name, Object.keys(rules)])),
    verify: verify ?? null,
    hooks: HOOK_NAMES.filter(name => rest[name] !== undefined),
  }
}

function describePolicy(policy: PolicySettings): string {
  const { schedule, timezone, type, verify, hooks } = policyToJson(policy)
  const every = verify === null || verify.every === 1 ? '' : ` one in ${verify.every}`
  return [
    `${policy.sources.join(', ')} -> ${policy.repositories.join(', ')}`,
    type,
    schedule === null ? 'no schedule' : `at ${schedule}${timezone === null ? '' : ` (${timezone})`}`,
    describeRules(policy.keep),
    ...Object.entries(policy.keepIn ?? {}).map(([name, rules]) => `${describeRules(rules)} in ${name}`),
    ...(verify === null ? [] : [`verifies${every}: ${verify.level}`]),
    ...(hooks.length === 0 ? [] : [`hooks: ${hooks.join(', ')}`]),
  ].join('; ')
}

const describeRules = (rules: PolicySettings['keep']): string =>
  rules === undefined ? 'keeps all' : `keeps ${Object.entries(rules).map(describeRule).join(', ')}`

const describeRule = ([rule, value]: [string, unknown]): string =>
  typeof value === 'number' ? `${rule} ${value}` : rule
