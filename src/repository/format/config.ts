import { AppError } from '../../base/errors.ts'
import type { Id } from '../../model/node.ts'
import { invalid, parseObject } from './json.ts'

export interface Config {
  readonly version: 1 | 2
  readonly id: Id
  /** Hex, no leading zero: an irreducible polynomial over GF(2) of degree 53, for restic's chunker. */
  readonly chunkerPolynomial: string
}

/** `repository-too-new` for a version after 2, `damaged` for anything else that is wrong. */
export function parseConfig(bytes: Uint8Array): Config {
  const fields = parseObject(bytes, 'config')
  const version = fields.count('version')
  if (version > 2) {
    throw new AppError('repository-too-new', `repository has format version ${version}, this program knows up to 2`, {
      hint: 'Install a newer version of Lifeboat.',
      context: { version },
    })
  }
  if (version !== 1 && version !== 2) throw invalid('config', `version ${version} does not exist`)
  const chunkerPolynomial = fields.text('chunker_polynomial')
  if (!/^[0-9a-f]{1,16}$/.test(chunkerPolynomial)) throw invalid('config', '"chunker_polynomial" is not hex')
  return { version, id: fields.id('id'), chunkerPolynomial }
}

export function formatConfig(config: Config): Buffer {
  const { version, id, chunkerPolynomial } = config
  return Buffer.from(JSON.stringify({ version, id, chunker_polynomial: chunkerPolynomial }))
}
