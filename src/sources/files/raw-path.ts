import { decodeName, encodeName } from '../../base/bytes.ts'

/**
 * A path as the system has it, one character a byte ("latin1"): every name survives, and comparing two strings compares
 * their bytes. Node's own functions get it as a Buffer.
 */
export type RawPath = string

export function toBuffer(raw: RawPath): Buffer {
  return Buffer.from(raw, 'latin1')
}

/** As the rest of the program has it, see `base/bytes.ts`. */
export function toName(raw: RawPath): string {
  return isAscii(raw) ? raw : decodeName(toBuffer(raw))
}

export function toRaw(name: string): RawPath {
  return isAscii(name) ? name : encodeName(name).toString('latin1')
}

export function joinRaw(folder: RawPath, name: RawPath): RawPath {
  if (folder === '') return name
  if (name === '') return folder
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}
