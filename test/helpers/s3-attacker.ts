import { Secret } from '../../src/base/secret.ts'
import { HttpClient } from '../../src/clients/http/index.ts'
import { encodePath, encodeQuery, type QueryParameter, signRequest } from '../../src/clients/s3/sign.ts'
import { parseXml, textOf } from '../../src/clients/xml/xml.ts'
import { S3_KEYS } from './s3-server.ts'

export interface ObjectVersion {
  readonly key: string
  readonly id: string
  /** Says that the object was removed. */
  readonly isMarker: boolean
}

/** Who has the key of a bucket and deals with its versions: asks for what our own client never asks for. */
export class S3Attacker {
  readonly #http = new HttpClient({ maxSockets: 4 })
  readonly #origin: string
  readonly #bucket: string

  constructor(origin: string, bucket: string) {
    this.#origin = origin
    this.#bucket = bucket
  }

  async listVersions(): Promise<ObjectVersion[]> {
    const { body } = await this.#send('GET', '', [['versions', '']])
    return parseXml(body.toString()).children.flatMap(element => {
      if (element.name !== 'Version' && element.name !== 'DeleteMarker') return []
      const [key = '', id = ''] = [textOf(element, 'Key'), textOf(element, 'VersionId')]
      return [{ key, id, isMarker: element.name === 'DeleteMarker' }]
    })
  }

  /** The status of the answer. */
  async destroy({ key, id }: ObjectVersion): Promise<number> {
    const headers = { 'x-amz-bypass-governance-retention': 'true' }
    return (await this.#send('DELETE', key, [['versionId', id]], headers)).status
  }

  async read({ key, id }: ObjectVersion): Promise<Buffer> {
    const { status, body } = await this.#send('GET', key, [['versionId', id]])
    if (status !== 200) throw new Error(`the version ${id} of ${key} cannot be read: ${status}`)
    return body
  }

  close(): void {
    this.#http.close()
  }

  async #send(
    method: 'GET' | 'DELETE',
    key: string,
    query: readonly QueryParameter[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    const path = `/${this.#bucket}/${encodePath(key)}`
    const { accessKeyId, secretAccessKey } = S3_KEYS
    const bodySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    const signed = signRequest(
      { method, host: new URL(this.#origin).host, path, query, headers, bodySha256 },
      {
        region: 'us-east-1',
        service: 's3',
        credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
        now: new Date(),
      },
    )
    return await this.#http.request({
      method,
      origin: this.#origin,
      path: `${path}?${encodeQuery(query)}`,
      headers: signed,
      limitBytes: 16 * 1024 * 1024,
    })
  }
}
