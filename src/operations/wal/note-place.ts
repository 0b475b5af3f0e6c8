import { createHash } from 'node:crypto'

/** What a note of a stored file is good for: this configuration as it is now, and what was asked of it. */
export function notePlace(
  configFile: string,
  configText: string,
  asked: { readonly source?: string | undefined; readonly repo?: string | undefined },
): string {
  const facts = [configFile, configText, asked.source ?? null, asked.repo ?? null]
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex')
}
