import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/**
 * One line for everything below a folder, in byte order: path, type, mode, time, and what is in it. Equal lists mean
 * equal folders; where they differ, the lines say how. Names that are not UTF-8 are shown as hex.
 */
export function digestTree(dir: string): string[] {
  return walk(Buffer.from(dir), '').toSorted()
}

function walk(dir: Buffer, shown: string): string[] {
  return readdirSync(dir, { encoding: 'buffer' }).flatMap(name => {
    const path = Buffer.concat([dir, Buffer.from('/'), name])
    const label = `${shown}${showName(name)}`
    const stat = lstatSync(path, { bigint: true })
    const facts = `${(stat.mode & 0o7777n).toString(8)} ${stat.mtimeNs}`
    if (stat.isDirectory()) return [`${label}/ ${facts}`, ...walk(path, `${label}/`)]
    if (stat.isSymbolicLink()) return [`${label} -> ${readlinkSync(path)}`]
    if (!stat.isFile()) return [`${label} special ${facts}`]
    return [`${label} ${facts} ${stat.size} ${digestFile(path)}`]
  })
}

export function digestFile(path: string | Buffer): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function showName(name: Buffer): string {
  const text = name.toString('utf8')
  return text.includes('\ufffd') ? `0x${name.toString('hex')}` : text
}
