import { z } from 'zod'
import { configJsonSchema } from '../../src/config/schema.ts'
import { listOwnOptions } from '../../src/operations/restore/own-options.ts'
import { SOURCES } from '../../src/sources/registry.ts'
import { STORAGES } from '../../src/storage/registry.ts'
import { GENERATED, isSchema, type JsonSchema, schemaList, table, typeName } from './markdown.ts'

/** docs/reference/config.schema.json */
export function configSchemaText(): string {
  return `${JSON.stringify(configJsonSchema(SOURCES), null, 2)}\n`
}

/** docs/reference/config.md */
export function configReference(): string {
  const schema = configJsonSchema(SOURCES)
  const repository = childOf(schema, 'repositories')
  const policy = childOf(schema, 'policies')
  const restore = propertyOf(anyKind(childOf(schema, 'sources')), 'restore')
  const forms = STORAGES.map(({ summary, forms: urls }) => [urls.map(url => `\`${url}\``).join(', '), summary])
  return `${GENERATED}
# lifeboat.yaml

Looked for in the current folder and the folders above it; \`--config FILE\` names another. Relative paths are relative
to the file. \`lifeboat init\` writes a first one. [config.schema.json](config.schema.json) is the JSON Schema for
editors: with \`# yaml-language-server: $schema=PATH\` as the first line they complete and check keys.

\`\${NAME}\` anywhere in a value is filled in from the environment, \`\${NAME:-default}\` has a default, and \`$\${NAME}\`
stays as it is. Durations read like \`30m\`, \`25h\`, \`7d\`.

\`\`\`yaml
repositories:
  main: { url: ./backups, passwordFile: ./.lifeboat/password }
  disk: { url: /mnt/disk/backups, passwordEnv: LIFEBOAT_PASSWORD }
sources:
  app: { kind: sqlite, path: ./prisma/dev.db }
  docs: { kind: files, path: ./uploads, exclude: [tmp] }
policies:
  nightly:
    sources: [app, docs]
    repositories: [main, disk]
    schedule: "0 2 * * *"
    keep: { daily: 7, weekly: 4, monthly: 12 }
\`\`\`

${keys(schema)}
## repositories.NAME

Exactly one of \`passwordFile\`, \`passwordEnv\`, \`passwordCommand\` and \`password\` is given.

${keys(repository)}
${table(['url', 'Storage'], forms)}
${storageSections()}## sources.NAME

${sourceSections(childOf(schema, 'sources'))}
### sources.NAME.restore

Of sources of every kind. ${description(restore)}

${keys(restore)}
A hook is \`{ command: [program, argument] }\`, run without a shell, or \`{ http: URL, method: POST }\`; both take a \`timeout\`.

### sources.NAME.restore.merge

${description(propertyOf(restore, 'merge'))} See [merging](../guide/merging.md).

${keys(propertyOf(restore, 'merge'))}
A table’s rules:

${keys(tableRules(propertyOf(restore, 'merge')))}
## policies.NAME

${keys(policy)}
### policies.NAME.keep

${description(propertyOf(policy, 'keep'))}

${keys(propertyOf(policy, 'keep'))}
### policies.NAME.objectives

${keys(propertyOf(policy, 'objectives'))}`
}

/** Settings of storages that have any. */
function storageSections(): string {
  return STORAGES.map(({ kind, options }) => ({ kind, schema: z.toJSONSchema(options, { io: 'input' }) as JsonSchema }))
    .filter(({ schema }) => Object.keys(schema.properties ?? {}).length > 0)
    .map(({ kind, schema }) => `### storage of ${kind}\n\nUnder \`storage:\` beside such a URL.\n\n${keys(schema)}\n`)
    .join('')
}

function tableRules(merge: JsonSchema): JsonSchema {
  return childOf(merge, 'tables')
}

function kindsOf(schema: JsonSchema): JsonSchema[] {
  return [...schemaList(schema.oneOf), ...schemaList(schema.anyOf), ...(schema.properties ? [schema] : [])]
}

/** For the keys that all have. */
function anyKind(schema: JsonSchema): JsonSchema {
  const [first] = kindsOf(schema)
  if (first === undefined) throw new Error('there is no kind of source')
  return first
}

function sourceSections(schema: JsonSchema): string {
  return kindsOf(schema)
    .map(kind => {
      const name = String(propertyOf(kind, 'kind').const)
      return `### kind: ${name}\n\n${description(kind)}\n\n${keys(kind)}${restoreOptionsOf(name)}`
    })
    .join('\n')
}

/** What `lifeboat restore` takes for sources of this kind alone. */
function restoreOptionsOf(kind: string): string {
  const own = listOwnOptions(SOURCES).filter(({ kinds }) => kinds.includes(kind))
  if (own.length === 0) return ''
  const rows = own.map(({ flag, value, placeholder, description: said }) => [
    `\`${flag}${value === 'none' ? '' : ` <${placeholder}>`}\``,
    said,
  ])
  return `\n${table(['Option of a restore', 'Meaning'], rows)}`
}

/** The schema of what a mapping of names holds. */
function childOf(schema: JsonSchema, key: string): JsonSchema {
  const child = propertyOf(schema, key).additionalProperties
  if (!isSchema(child)) throw new Error(`${key} is not a mapping of names`)
  return child
}

function propertyOf(schema: JsonSchema, key: string): JsonSchema {
  const property = isSchema(schema.properties) ? schema.properties[key] : undefined
  if (!isSchema(property)) throw new Error(`there is no ${key}`)
  return property
}

const description = (schema: JsonSchema): string => (typeof schema.description === 'string' ? schema.description : '')

export function keys(schema: JsonSchema): string {
  const required = Array.isArray(schema.required) ? schema.required : []
  const rows = Object.entries(isSchema(schema.properties) ? schema.properties : {}).flatMap(([name, field]) => {
    if (!isSchema(field)) return []
    const fallback = field.default === undefined ? '' : ` Default: \`${JSON.stringify(field.default)}\`.`
    return [[`\`${name}\``, typeName(field), required.includes(name) ? 'yes' : '', `${description(field)}${fallback}`]]
  })
  return table(['Key', 'Value', 'Required', 'Meaning'], rows)
}
