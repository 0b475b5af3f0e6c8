import type { Discovery } from './discovery.ts'
import { supportOf } from './other-find.ts'

export interface Proposal {
  readonly repositoryUrl: string
  /** As it stands in the file, relative to it. */
  readonly passwordFile: string
  readonly discovery: Discovery
  /** Lines of sources, for somebody who has to write one: `app: { kind: sqlite, path: ./data/app.db }`. */
  readonly examples: readonly string[]
  /** Path or URL of the JSON Schema for editors, where there is one to point at. */
  readonly schema: string | undefined
}

/** The text of a first `lifeboat.yaml`. */
export function proposeConfig(proposal: Proposal): string {
  const { sources } = proposal.discovery
  const lines = [
    ...(proposal.schema === undefined ? [] : [`# yaml-language-server: $schema=${proposal.schema}`]),
    '# What Lifeboat protects, where to, and for how long. "lifeboat doctor" checks it.',
    '',
    ...envLines(proposal.discovery.envFiles),
    'repositories:',
    '  main:',
    `    url: ${scalar(proposal.repositoryUrl)}`,
    `    passwordFile: ${scalar(proposal.passwordFile)}`,
    '',
    ...sourceLines(proposal.discovery, proposal.examples),
  ]
  if (sources.length > 0) lines.push('', ...policyLines(sources.map(source => source.name)))
  return `${lines.join('\n')}\n`
}

function envLines(files: readonly string[]): string[] {
  if (files.length === 0) return []
  const names = files.map(file => scalar(`./${file}`))
  return [
    '# Variables below come from here, where the environment does not have them.',
    `envFile: [${names.join(', ')}]`,
    '',
  ]
}

function sourceLines({ sources, others }: Discovery, examples: readonly string[]): string[] {
  const notes = others.map(other => `  # found: ${comment(`${other.what} (${other.where})`)}: ${supportOf(other)}`)
  if (sources.length === 0) {
    return [
      '# Nothing that this version can protect was found here. For example:',
      '# sources:',
      ...examples.map(example => `#   ${example}`),
      ...notes.map(note => note.trimStart()),
    ]
  }
  const own = sources.flatMap(({ name, kind, options }) => [
    `  ${scalar(name)}:`,
    `    kind: ${kind}`,
    ...Object.entries(options).map(([key, value]) => `    ${key}: ${optionText(value)}`),
  ])
  return ['sources:', ...own, ...notes]
}

function policyLines(names: readonly string[]): string[] {
  return [
    'policies:',
    '  nightly:',
    `    sources: [${names.map(scalar).join(', ')}]`,
    '    repositories: [main]',
    '    # When "lifeboat serve" backs it up; "lifeboat install" makes a service of that.',
    '    schedule: "0 2 * * *"',
    '    # What "lifeboat forget" keeps.',
    '    keep: { daily: 7, weekly: 4, monthly: 12 }',
    '    objectives: { rpo: 25h, rto: 30m }',
  ]
}

/** A variable that stands for its value, which stays where it is, or a text. */
const optionText = (value: string): string => (/^\$\{[A-Za-z_]\w*\}$/.test(value) ? value : scalar(value))

/** Plain where YAML takes it for text that ends where it should, else in double quotes. */
function scalar(text: string): string {
  const plain = /^[A-Za-z./][A-Za-z0-9 ._/-]*$/.test(text) && !/ $|^(true|false|yes|no|on|off|null|y|n)$/i.test(text)
  return plain ? text : JSON.stringify(text.replaceAll('${', () => '$${'))
}

const comment = (text: string): string => text.replace(/[\r\n\u0085\u2028\u2029]+/g, ' ')
