export const GENERATED = '<!-- Made by tools/docs.ts from the code. Change that, then run "npm run docs". -->\n'

const line = (cells: readonly string[]): string => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`

/** A Markdown table with a line break after it; empty for no rows. */
export function table(titles: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  if (rows.length === 0) return ''
  return `${[line(titles), line(titles.map(() => '---')), ...rows.map(line)].join('\n')}\n`
}

export type JsonSchema = Readonly<Record<string, unknown>>

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function schemaList(value: unknown): JsonSchema[] {
  return Array.isArray(value) ? value.filter(isSchema) : []
}

/** `text`, `whole number`, `list of text`, `"a" or "b"`, ... */
export function typeName(schema: JsonSchema): string {
  const { type } = schema
  if (Array.isArray(type)) return type.map(each => typeName({ ...schema, type: String(each) })).join(' or ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (Array.isArray(schema.enum)) return schema.enum.map(value => JSON.stringify(value)).join(' or ')
  const choices = [...schemaList(schema.anyOf), ...schemaList(schema.oneOf)]
  if (choices.length > 0) return choices.map(typeName).join(' or ')
  if (type === 'array') return isSchema(schema.items) ? `list of ${typeName(schema.items)}` : 'list'
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    integer: 'whole number',
    number: 'number',
    boolean: 'true or false',
    object: 'object',
    null: 'null',
  }
  return names[String(type)] ?? 'anything'
}
