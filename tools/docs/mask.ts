import { maskJsonSchema, RULE_WORDS } from '../../src/config/mask.ts'
import { keys } from './config.ts'
import { GENERATED, table } from './markdown.ts'

/** docs/reference/mask.schema.json */
export function maskSchemaText(): string {
  return `${JSON.stringify(maskJsonSchema(), null, 2)}\n`
}

/** docs/reference/mask.md */
export function maskReference(): string {
  const words = Object.entries(RULE_WORDS).map(([word, meaning]) => [`\`${word}\``, meaning])
  const forms = [
    ['`{ fixed: VALUE }`', 'This value wherever there is one.'],
    ['`{ sql: EXPRESSION }`', "What the expression gives for the row as it was, in the database's own SQL."],
    ['`{ kind: WORD, domain: NAME }`', 'One of the words from `hash` on, with a domain of its own.'],
  ]
  return `${GENERATED}
# mask.yaml

How a test copy of production data is masked: \`restore.mask\` of a source names the file. The guide is
[test copies](../guide/test-copies.md); [mask.schema.json](mask.schema.json) is the JSON Schema for editors.
\`\${NAME}\` is filled in from the environment as in [lifeboat.yaml](config.md).

${keys(maskJsonSchema())}
## Rules

NULL stays NULL, except that \`sql\` may give something for it. Equal values of one kind, or of one \`domain\`, mask
equally in every table.

${table(['Rule', 'What becomes of a value'], [...words, ...forms])}`
}
