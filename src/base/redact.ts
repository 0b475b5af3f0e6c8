/** A shorter secret is found in too many words: `a` would blank letters out of every message. */
const SHORTEST = 6

/**
 * A text without a secret that is known: where a password stands in a URL or after `password=` whatever its length,
 * elsewhere only as a word of its own, so that what is left can be read.
 */
export function redactSecret(text: string, secret: string): string {
  if (secret === '') return text
  const forms = [...new Set([secret, encodeURIComponent(secret)])].map(escapePattern).join('|')
  const placed = text
    .replace(new RegExp(`(://[^\\s/@]*:)(?:${forms})@`, 'g'), '$1***@')
    .replace(new RegExp(`(password\\s*[=:]\\s*['"]?)(?:${forms})(?![\\p{L}\\p{N}])`, 'giu'), '$1***')
  if (secret.length < SHORTEST) return placed
  return placed.replace(new RegExp(`(?<![\\p{L}\\p{N}])(?:${forms})(?![\\p{L}\\p{N}])`, 'gu'), '***')
}

// Only what a pattern with the flag `u` lets be escaped: there `\-` is an error.
const escapePattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
