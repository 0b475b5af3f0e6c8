import { AppError } from '../../base/errors.ts'
import { prefixOf } from '../folder-in-bucket.ts'

/** What a URL of a repository names. */
export interface GcsPlace {
  readonly bucket: string
  /** Folder in the bucket; '' or ending in '/'. */
  readonly prefix: string
}

/**
 * As restic reads it, `gs:BUCKET:/FOLDER`, and `gs://BUCKET/FOLDER` as Google's own tools write it. `usage` for anything else.
 *
 * @see https://restic.readthedocs.io/en/stable/030_preparing_a_new_repo.html#google-cloud-storage
 */
export function parseGcsUrl(url: string): GcsPlace {
  const rest = url.replace(/^gs:/i, '')
  const [, bucket = '', folder = ''] = /^\/\/([^/:]*)(\/.*)?$/s.exec(rest) ?? /^([^/:]*):(.*)$/s.exec(rest) ?? []
  if (bucket === '' || /[?#\s]/.test(rest)) throw wrong('is not of the form gs:BUCKET:/FOLDER')
  if (!/^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(bucket)) throw wrong(`names a bucket that cannot be, ${bucket}`)
  return { bucket, prefix: prefixOf(folder, 'Google Cloud Storage') }
}

function wrong(what: string): AppError {
  return new AppError('usage', `the Google Cloud Storage URL of the repository ${what}`, {
    hint: 'Write gs:BUCKET:/FOLDER, such as gs:backups:/shop.',
  })
}

/** For people: one spelling, which restic takes too. */
export function locationOf({ bucket, prefix }: GcsPlace): string {
  return `gs:${bucket}:/${prefix.slice(0, -1)}`
}
