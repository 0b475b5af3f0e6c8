import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import type { NamedService } from '../../sources/source.ts'
import type { OtherFind } from './other-find.ts'

const WRANGLER_FILES = ['wrangler.toml', 'wrangler.json', 'wrangler.jsonc']
const COMPOSE_FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yaml', 'docker-compose.yml']

const BINDINGS: ReadonlyArray<readonly [key: string, name: string, what: string]> = [
  ['d1_databases', 'database_name', 'the Cloudflare D1 database'],
  ['kv_namespaces', 'binding', 'the Cloudflare KV namespace'],
  ['r2_buckets', 'bucket_name', 'the Cloudflare R2 bucket'],
]

/** Databases, namespaces and buckets that a Cloudflare Worker binds. */
export async function findWranglerBindings(folder: string): Promise<OtherFind[]> {
  const found: OtherFind[] = []
  for (const file of WRANGLER_FILES) {
    const text = await readText(join(folder, file))
    for (const [key, name, what] of BINDINGS) {
      const sections = file.endsWith('.toml') ? tomlTables(text, key) : jsonLists(text, key)
      for (const section of sections) {
        for (const [, value = ''] of section.matchAll(
          new RegExp(`["']?${name}["']?\\s*[=:]\\s*["']([^"'\\n]+)["']`, 'g'),
        )) {
          found.push({ what: `${what} ${value}`, planned: true, where: file })
        }
      }
    }
  }
  return found
}

/** The bodies of `[[key]]` and `[[env.x.key]]`. */
function tomlTables(text: string, key: string): string[] {
  const body = new RegExp(`^\\s*\\[\\[(?:env\\.[^\\].]+\\.)?${key}\\]\\]([^]*?)(?=^\\s*\\[|(?![^]))`, 'gm')
  return [...text.matchAll(body)].map(match => match[1] ?? '')
}

/** The bodies of `"key": [ ... ]`; comments in between do no harm. */
function jsonLists(text: string, key: string): string[] {
  return [...text.matchAll(new RegExp(`"${key}"\\s*:\\s*\\[([^\\]]*)\\]`, 'g'))].map(match => match[1] ?? '')
}

const IMAGES: ReadonlyArray<readonly [pattern: RegExp, what: string, planned: boolean]> = [
  [/(^|\/)(mysql|mariadb|percona)([:@-]|$)/, 'a MySQL server', false],
  [/(^|\/)mongo([:@-]|$)/, 'a MongoDB server', false],
  [/(^|\/)(redis|valkey|keydb)([:@-]|$)/, 'a Redis server', false],
  [/(^|\/)minio([:@-]|$)/, 'an S3 server', true],
]

/** The services of a compose file. */
export async function findComposeServices(folder: string): Promise<NamedService[]> {
  for (const file of COMPOSE_FILES) {
    const services = servicesOf(await readText(join(folder, file)))
    if (services.length > 0) {
      return services.map(([name, image]) => ({ image, where: `service ${name} in ${file}` }))
    }
  }
  return []
}

/** Those that keep data which no kind of source is for. */
export function unsupportedServices(services: readonly NamedService[]): OtherFind[] {
  return services.flatMap(({ image, where }) =>
    IMAGES.filter(([pattern]) => pattern.test(image))
      .slice(0, 1)
      .map(([, what, planned]) => ({ what, planned, where })),
  )
}

function servicesOf(text: string): Array<[name: string, image: string]> {
  try {
    const document: unknown = parseYaml(text, { logLevel: 'silent' })
    if (!isMapping(document) || !isMapping(document.services)) return []
    return Object.entries(document.services).flatMap(
      ([name, service]): Array<[string, string]> =>
        isMapping(service) && typeof service.image === 'string' ? [[name, service.image]] : [],
    )
  } catch {
    // Not ours to complain about.
    return []
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return ''
  }
}
