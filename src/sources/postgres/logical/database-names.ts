/** PostgreSQL cuts names after this many bytes. */
const MAX_NAME_BYTES = 63

/** `shop` + `_before_...`, the name shortened so that the whole is a legal name. */
export function suffixedName(name: string, suffix: string): string {
  let stem = name
  while (Buffer.byteLength(stem) + Buffer.byteLength(suffix) > MAX_NAME_BYTES)
    stem = Array.from(stem).slice(0, -1).join('')
  return `${stem}${suffix}`
}

/** Where a restore works before its result takes the target's name. */
export function stagingName(name: string, random: Uint8Array): string {
  return suffixedName(name, `_lifeboat_${Buffer.from(random).toString('hex').slice(0, 8)}`)
}

/** What an earlier restore of this database left behind. */
export function isStagingName(candidate: string, name: string): boolean {
  const match = /^(.*)_lifeboat_[0-9a-f]{8}$/s.exec(candidate)
  return match !== null && suffixedName(name, '_lifeboat_00000000') === `${match[1]}_lifeboat_00000000`
}

/** What the replaced database is called afterwards. */
export function keptName(name: string, now: Date): string {
  const stamp = now.toISOString().replace(/[-:]/g, '').replace('T', '_').slice(0, 15)
  return suffixedName(name, `_before_${stamp}`)
}
