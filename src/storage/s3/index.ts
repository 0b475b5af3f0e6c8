import { defineStorage } from '../storage.ts'
import { s3Access } from './access.ts'
import { options } from './options.ts'

export const s3 = defineStorage({
  kind: 's3',
  summary: 'A bucket on AWS, Cloudflare R2, MinIO, Ceph, Wasabi, Backblaze B2 or whatever else speaks S3',
  forms: ['s3:https://HOST/BUCKET/FOLDER', 's3:HOST/BUCKET/FOLDER'],
  matches: url => /^s3:/i.test(url),
  options,
  folderOf: () => undefined,
  access: s3Access,
  load: async () => (await import('./open.ts')).openS3Storage,
})
