import type { S3Place } from './url.ts'

const SET = 'Then write storage: { lock: { mode: compliance, period: 30d } } beside the url, and back up.'

/** What makes a bucket fit for locks. R2 has none for single objects, but rules by prefix, which only the account's owner sets. */
export function lockAdvice({ host, bucket, prefix }: S3Place): string[] {
  if (!/(^|\.)r2\.cloudflarestorage\.com(:\d+)?$/.test(host)) {
    return [
      `Turn on versions and object lock for the bucket ${bucket} (AWS: aws s3api put-bucket-versioning, then put-object-lock-configuration; elsewhere often only for a new bucket).`,
      SET,
    ]
  }
  const locked = ['config', 'data/', 'index/', 'keys/', 'logs/', 'snapshots/'].map(name => prefix + name)
  return [
    `Set a bucket lock rule for each of these prefixes of ${bucket} (dashboard: R2, Settings, Bucket lock rules; or wrangler r2 bucket lock add): ${locked.join(', ')}.`,
    'Nothing extends such a rule: let it last longer than anything is kept, or for ever.',
    `Set none for ${prefix}locks/, ${prefix}logs-unfinished/ and ${prefix}pins/, nor for the whole bucket: what is there is replaced and removed by design.`,
    'Keep the tokens that may change the bucket itself away from this machine: they can remove the rules.',
  ]
}
