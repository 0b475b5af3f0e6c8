import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { JSON_OUTPUTS } from '../../src/outputs/outputs.ts'
import { describeWithRclone, RCLONE } from '../helpers/rclone.ts'
import { describeWithS3, S3_KEYS, startS3Server } from '../helpers/s3-server.ts'
import { startServer } from '../helpers/server-program.ts'
import { runLifeboat } from '../helpers/spawn.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const makeFolder = (url: string): string => {
  const folder = makeTempDir()
  mkdirSync(join(folder, 'docs'))
  writeFileSync(join(folder, 'password'), 'a password', { mode: 0o600 })
  const config = `repositories:
  main: { url: "${url}", passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
`
  writeFileSync(join(folder, 'lifeboat.yaml'), config)
  return folder
}

describeWithS3('a bucket', () => {
  test('whose key only reads: doctor says what is possible, what is missing, and prints the policy that mends it', async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    await server.createBucket('backups')
    const reader = { accessKeyId: 'AKIDREADER', secretAccessKey: 'planted-reader-71b3' }
    await server.createUser(reader)
    const cwd = makeFolder(`s3:${server.origin}/backups/shop`)
    const made = await runLifeboat(['init', '--json'], { cwd, env: server.environment })
    const { repositories } = JSON_OUTPUTS.init.parse(JSON.parse(made.stdout))
    expect(repositories[0]?.probe).toMatchObject({ canRestore: true, canBackUp: true, canDelete: true })

    const allowed = { Effect: 'Allow', Principal: { AWS: [reader.accessKeyId] } }
    const Statement = [
      { ...allowed, Action: ['s3:ListBucket'], Resource: 'arn:aws:s3:::backups' },
      { ...allowed, Action: ['s3:GetObject'], Resource: 'arn:aws:s3:::backups/*' },
    ]
    await server.setPolicy('backups', JSON.stringify({ Version: '2012-10-17', Statement }))
    const env = { AWS_ACCESS_KEY_ID: reader.accessKeyId, AWS_SECRET_ACCESS_KEY: reader.secretAccessKey }
    const { stdout, stderr } = await runLifeboat(['doctor', '--permissions'], { cwd, env })
    expect(stdout).toMatch(/storage +main +warning +no backups can be made; restores are possible: .*AccessDenied/)
    expect(stdout).toMatch(/repository +main +ok/)
    expect(stdout).toContain('"arn:aws:s3:::backups/shop/locks/*"')
    expect(stdout + stderr).not.toContain(reader.secretAccessKey)
  })
})

describeWithRclone('a service that passes conditions over', () => {
  test('is told at init, with the setting that mends it; with that nothing is said', async () => {
    const root = makeTempDir()
    mkdirSync(join(root, 'backups'))
    const keys = `${S3_KEYS.accessKeyId},${S3_KEYS.secretAccessKey}`
    const server = await startServer(RCLONE, port => {
      return ['serve', 's3', '--addr', `127.0.0.1:${port}`, '--auth-key', keys, '--config', '', root]
    })
    onTestFinished(() => server.close())
    const env = { AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey }
    const url = `s3:http://127.0.0.1:${server.port}/backups/shop`
    const cwd = makeFolder(url)
    const made = await runLifeboat(['init'], { cwd, env })
    expect([made.code, made.stdout]).toEqual([0, expect.stringContaining('storage: { conditionalWrites: false }')])
    const mended = `repositories:\n  main: { url: "${url}", passwordFile: ./password, storage: { conditionalWrites: false } }\n`
    writeFileSync(join(cwd, 'lifeboat.yaml'), mended)
    expect((await runLifeboat(['init'], { cwd, env })).stdout).not.toContain('warning')
  })
})
