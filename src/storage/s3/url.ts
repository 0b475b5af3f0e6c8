import { AppError } from '../../base/errors.ts'

/** What a URL of a repository names. */
export interface S3Place {
  readonly scheme: 'http' | 'https'
  /** With its port where one is given. */
  readonly host: string
  readonly bucket: string
  /** Folder in the bucket; '' or ending in '/'. */
  readonly prefix: string
}

const FORM = 's3:https://HOST/BUCKET/FOLDER'
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
const HOST = /^(?:\[[0-9a-f:]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)(?::\d{1,5})?$/i

/**
 * As restic reads it: `s3:HOST/BUCKET/FOLDER`, `s3://HOST/BUCKET/FOLDER`, `s3:http[s]://HOST/BUCKET/FOLDER`. Without
 * a scheme it is https. `usage` for anything else; what it says holds no login.
 *
 * @see https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#s3-compatible-storage
 */
export function parseS3Url(url: string): S3Place {
  const [, scheme = 'https', rest = ''] = /^s3:(?:(https?):\/\/|\/\/)?(.*)$/is.exec(url) ?? []
  const [host = '', bucket = '', ...folders] = rest.split('/')
  if (host.includes('@')) {
    throw wrong('holds a login', 'Leave it out: keys come from the environment, ~/.aws, or "storage" beside the url.')
  }
  if (/[?#\s]/.test(rest)) throw wrong('holds a character that it cannot', `Write ${FORM}.`)
  if (!HOST.test(host)) throw wrong('names no host', `Write ${FORM}.`)
  if (bucket === '') {
    throw wrong(
      `names no bucket on ${host}`,
      `Write the host first: s3:s3.REGION.amazonaws.com/${host} is a bucket of AWS.`,
    )
  }
  if (!BUCKET.test(bucket)) throw wrong(`names a bucket that cannot be, ${bucket}`, `Write ${FORM}.`)
  // As path.Clean of Go does, which restic uses.
  const parts = folders.filter(part => part !== '' && part !== '.')
  if (parts.includes('..')) throw wrong('goes up with ".."', 'Write the folder as it is.')
  return {
    scheme: scheme.toLowerCase() === 'http' ? 'http' : 'https',
    host: host.toLowerCase(),
    bucket,
    prefix: parts.length === 0 ? '' : `${parts.join('/')}/`,
  }
}

function wrong(what: string, hint: string): AppError {
  return new AppError('usage', `the S3 URL of the repository ${what}`, { hint })
}

/** For people: one spelling, which restic takes too. */
export function locationOf({ scheme, host, bucket, prefix }: S3Place): string {
  return `s3:${scheme}://${host}/${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`
}

/**
 * A bucket with a dot in its name fits no certificate as a part of the host's name. Only AWS asks for that form; all
 * others take the path.
 */
export function styleOf({ host, bucket }: S3Place, pathStyle: boolean | undefined): 'path' | 'host' {
  const byPath = pathStyle ?? (!isAws(host) || bucket.includes('.'))
  return byPath ? 'path' : 'host'
}

/** What the host's own name says. Of AWS and R2 it is certain; elsewhere services name their hosts alike. */
export function regionOfHost(host: string): { readonly region: string; readonly isCertain: boolean } | undefined {
  const name = host.replace(/:\d+$/, '')
  const aws = /(?:^|\.)s3[.-](?:fips[.-])?(?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d+)\.amazonaws\.com(?:\.cn)?$/.exec(
    name,
  )?.[1]
  if (aws !== undefined) return { region: aws, isCertain: true }
  if (name.endsWith('.r2.cloudflarestorage.com')) return { region: 'auto', isCertain: true }
  const other = /^s3\.([a-z0-9-]+)\.[a-z0-9-]+\.[a-z.]+$/.exec(name)?.[1]
  return other === undefined || isAws(name) ? undefined : { region: other, isCertain: false }
}

function isAws(host: string): boolean {
  return /(^|\.)amazonaws\.com(\.cn)?(:\d+)?$/.test(host)
}
