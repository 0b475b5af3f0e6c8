import { z } from 'zod'
import { errorOutput } from '../../src/outputs/fields.ts'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { GENERATED, isSchema, type JsonSchema, schemaList, typeName } from './markdown.ts'

/** docs/reference/json.md */
export function jsonReference(): string {
  const commands = Object.entries(JSON_OUTPUTS).map(([name, output]) => section(`\`lifeboat ${name} --json\``, output))
  return `${GENERATED}
# JSON outputs

With \`--json\` a command prints exactly one JSON document on stdout. Sizes are bytes, durations milliseconds, times UTC
in ISO 8601. Later versions may add fields; they do not remove or change any.

${section('Errors', errorOutput)}
${commands.join('\n')}`
}

function section(title: string, output: z.ZodType): string {
  const schema = z.toJSONSchema(output, { reused: 'inline', io: 'input' })
  const description = typeof schema.description === 'string' ? `${schema.description}\n\n` : ''
  return `## ${title}\n\n${description}${shapeOf(schema)}`
}

function shapeOf(schema: JsonSchema): string {
  if (schema.type === 'array' && isSchema(schema.items)) {
    const choices = schemaList(schema.items.anyOf)
    if (choices.length === 0) return `An array of:\n\n${fieldsOf(schema.items, 0)}`
    return choices.map((choice, at) => `${at === 0 ? 'An array of' : 'or'}:\n\n${fieldsOf(choice, 0)}`).join('\n')
  }
  const choices = schemaList(schema.anyOf)
  if (choices.length === 0) return fieldsOf(schema, 0)
  return choices.map((choice, at) => `${at === 0 ? '' : `Or ${noteOf(choice)}:\n\n`}${shapeOf(choice)}`).join('\n')
}

const noteOf = (schema: JsonSchema): string => (typeof schema.description === 'string' ? schema.description : '')

function fieldsOf(schema: JsonSchema, depth: number): string {
  const required = Array.isArray(schema.required) ? schema.required : []
  const properties = isSchema(schema.properties) ? schema.properties : {}
  return Object.entries(properties)
    .map(([name, field]) => (isSchema(field) ? fieldLine(name, field, required.includes(name), depth) : ''))
    .join('')
}

function fieldLine(name: string, field: JsonSchema, required: boolean, depth: number): string {
  const optional = required ? '' : ', may be absent'
  const description = typeof field.description === 'string' ? `: ${field.description}` : ''
  const line = `${'  '.repeat(depth)}- \`${name}\` (${typeName(field)}${optional})${description}\n`
  const items = isSchema(field.items) ? field.items : {}
  const shapes = [field, items, ...schemaList(field.anyOf), ...schemaList(items.anyOf)]
  const inner = shapes.filter(shape => isSchema(shape.properties)).map(shape => fieldsOf(shape, depth + 1))
  return `${line}${inner.join(`${'  '.repeat(depth + 1)}- or:\n`)}`
}
