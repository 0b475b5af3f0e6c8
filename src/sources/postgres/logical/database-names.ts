import { createHash } from 'node:crypto'

/** PostgreSQL cuts names after this many bytes. */
const MAX_NAME_BYTES = 63
const MARK_CHARS = 6
const SHORTENED = /_[0-9a-f]{6}$/

/**
 * `shop` + `_before_...`. A name that is too long for that is shortened and marked with its hash, so that two long names
 * with the same beginning do not become one.
 */
export function suffixedName(name: string, suffix: string): string {
  if (Buffer.byteLength(name) + Buffer.byteLength(suffix) <= MAX_NAME_BYTES) return name + suffix
  const end = `_${digest(name).slice(0, MARK_CHARS)}${suffix}`
  let stem = name
  while (Buffer.byteLength(stem) + Buffer.byteLength(end) > MAX_NAME_BYTES)
    stem = Array.from(stem).slice(0, -1).join('')
  return `${stem}${end}`
}

const STAGING = /_lifeboat_[0-9a-f]{8}$/

/** Where a restore works before its result takes the target's name. `run`: bytes that no other restore has. */
export function stagingName(name: string, run: Uint8Array): string {
  return suffixedName(name, `_lifeboat_${Buffer.from(run).toString('hex').slice(0, 8)}`)
}

/** The same for a restore that keeps what was there: `settle` finds it by that. */
export function stagingNameOf(name: string, keptAs: string): string {
  return stagingName(name, Buffer.from(digest(keptAs).slice(0, 8), 'hex'))
}

/** What an earlier restore of this database left behind. */
export function isStagingName(candidate: string, name: string): boolean {
  const suffix = STAGING.exec(candidate)?.[0]
  return suffix !== undefined && suffixedName(name, suffix) === candidate
}

/** Of any database, left by the restore that keeps under `keptAs`. */
export function isStagingOf(candidate: string, keptAs: string): boolean {
  return candidate.endsWith(stagingNameOf('', keptAs))
}

/** `shop`, `before-1a2b3c4d` -> `shop_before_1a2b3c4d`. */
export function keptNameOf(name: string, keptAs: string): string {
  return suffixedName(name, keptSuffix(keptAs))
}

/** The name that a kept database had, by the names that are there; one that is gone is told where it was not shortened. */
export function originalName(kept: string, keptAs: string, there: Iterable<string>): string | undefined {
  const suffix = keptSuffix(keptAs)
  if (!kept.endsWith(suffix)) return undefined
  for (const name of there) if (keptNameOf(name, keptAs) === kept) return name
  const stem = kept.slice(0, -suffix.length)
  return stem === '' || (SHORTENED.test(stem) && Buffer.byteLength(kept) > MAX_NAME_BYTES - 4) ? undefined : stem
}

function keptSuffix(keptAs: string): string {
  return `_${keptAs.replace(/[^A-Za-z0-9]+/g, '_')}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
