import { expect, test } from 'vitest'
import { locationOf, parseS3Url, regionOfHost, styleOf } from './url.ts'

test.each([
  ['s3:s3.amazonaws.com/bucket', 'https', 's3.amazonaws.com', 'bucket', ''],
  ['s3:s3.amazonaws.com/bucket/a/b/', 'https', 's3.amazonaws.com', 'bucket', 'a/b/'],
  ['s3://host:9000/bucket/a//./b', 'https', 'host:9000', 'bucket', 'a/b/'],
  ['s3:https://Host/bucket', 'https', 'host', 'bucket', ''],
  ['s3:http://[::1]:9000/bucket/x', 'http', '[::1]:9000', 'bucket', 'x/'],
  ['S3:HTTP://h/My_Bucket.1', 'http', 'h', 'My_Bucket.1', ''],
])('reads %s as restic does', (url, scheme, host, bucket, prefix) => {
  const place = parseS3Url(url)
  expect(place).toEqual({ scheme, host, bucket, prefix })
  expect(parseS3Url(locationOf(place))).toEqual(place)
})

test.each([
  ['s3:', 'names no host'],
  ['s3:bucket', 'names no bucket on bucket'],
  ['s3:https://host', 'names no bucket on host'],
  ['s3:host/b', 'names a bucket that cannot be, b'],
  ['s3:host/bucket/a/../b', 'goes up with ".."'],
  ['s3:host/bucket?x=y', 'holds a character that it cannot'],
  ['s3:https://key:secret@host/bucket', 'holds a login'],
  ['s3:key:secret@host/bucket', 'holds a login'],
])('refuses %s, without what may be secret in it', (url, message) => {
  expect(() => parseS3Url(url)).toThrow(message)
  expect(() => parseS3Url(url)).not.toThrow('secret')
})

test.each([
  ['s3:s3.eu-central-1.amazonaws.com/bucket', 'host'],
  ['s3:s3.amazonaws.com/bucket', 'host'],
  ['s3:s3.cn-north-1.amazonaws.com.cn/bucket', 'host'],
  ['s3:s3.amazonaws.com/with.dot', 'path'],
  ['s3:account.r2.cloudflarestorage.com/bucket', 'path'],
  ['s3:amazonaws.com.evil.example/bucket', 'path'],
])('%s has its bucket in the %s', (url, style) => {
  expect(styleOf(parseS3Url(url), undefined)).toBe(style)
  expect(styleOf(parseS3Url(url), true)).toBe('path')
  expect(styleOf(parseS3Url(url), false)).toBe('host')
})

test.each([
  ['s3.eu-central-1.amazonaws.com', { region: 'eu-central-1', isCertain: true }],
  ['s3-us-gov-west-1.amazonaws.com', { region: 'us-gov-west-1', isCertain: true }],
  ['s3.dualstack.us-west-2.amazonaws.com', { region: 'us-west-2', isCertain: true }],
  ['s3.cn-north-1.amazonaws.com.cn', { region: 'cn-north-1', isCertain: true }],
  ['s3.amazonaws.com', undefined],
  ['abc.eu.r2.cloudflarestorage.com', { region: 'auto', isCertain: true }],
  ['s3.us-west-004.backblazeb2.com', { region: 'us-west-004', isCertain: false }],
  ['s3.eu-central-2.wasabisys.com', { region: 'eu-central-2', isCertain: false }],
  ['s3.fr-par.scw.cloud', { region: 'fr-par', isCertain: false }],
  ['minio:9000', undefined],
  ['127.0.0.1:9000', undefined],
])('tells the region of %s', (host, region) => {
  expect(regionOfHost(host)).toEqual(region)
})
