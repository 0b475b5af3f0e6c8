const ASSIGNMENT =
  /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[^])*)"|'([^']*)'|([^\n]*?))[ \t]*(?:(?:^|[ \t])#[^\n]*)?\r?$/gm

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** The variables that a `.env` file sets, as dotenv reads it, but for references in it. */
export function parseEnvFile(text: string): Map<string, string> {
  const variables = new Map<string, string>()
  for (const [, name = '', quoted, single, plain = ''] of text.replace(/^\ufeff/, '').matchAll(ASSIGNMENT)) {
    const value = quoted?.replace(/\\(.)/gs, (_, char: string) => ESCAPED[char] ?? char) ?? single ?? plain
    variables.set(name, value)
  }
  return variables
}
