import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { collect } from '../../src/base/collect.ts'
import { Secret } from '../../src/base/secret.ts'
import type { StorageAccess } from '../../src/model/storage-access.ts'
import { type Probed, type ProbeReport, probeStorage } from '../../src/operations/probe/storage-probe.ts'
import { azure } from '../../src/storage/azure/index.ts'
import { gcs } from '../../src/storage/gcs/index.ts'
import { rest } from '../../src/storage/rest/index.ts'
import { s3 } from '../../src/storage/s3/index.ts'
import { sftp } from '../../src/storage/sftp/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { adapterContext } from '../helpers/adapter-context.ts'
import { AZURE_ACCOUNT, AZURE_KEY, describeWithAzure, startAzureServer } from '../helpers/azure-server.ts'
import { describeWithGcs, startGcsServer } from '../helpers/gcs-server.ts'
import { describeWithRclone, RCLONE } from '../helpers/rclone.ts'
import { RestServer } from '../helpers/rest-server.ts'
import { describeWithS3, S3_KEYS, startS3Server } from '../helpers/s3-server.ts'
import { openTestS3 } from '../helpers/s3-storage.ts'
import { startServer } from '../helpers/server-program.ts'
import { SftpServer, skipSftp } from '../helpers/sftp-server.ts'
import { makeTempDir } from '../helpers/tempdir.ts'

const probe = async (storage: Storage, access?: StorageAccess): Promise<ProbeReport> => {
  onTestFinished(() => storage.close())
  // Where there is no repository nothing is tried. Who may not make one finds it, or is told.
  await storage.save('config', Buffer.from('x'), { ifAbsent: true }).catch(() => undefined)
  return await probeStorage(storage, { clock: systemClock, withoutConditions: access?.withoutConditions })
}
const statusOf = ({ checks }: ProbeReport): Partial<Record<Probed, string>> =>
  Object.fromEntries(checks.map(({ name, status }) => [name, status]))
const ALL = { list: 'ok', read: 'ok', write: 'ok', range: 'ok', clock: 'ok', conditions: 'ok', delete: 'ok' }
const keysOf = (storage: Storage): Promise<string[]> => collect(storage.listKeys(''))

describeWithS3('on S3', () => {
  const user = { accessKeyId: 'AKIDRESTRICTED', secretAccessKey: 'planted-restricted-4c7e' }

  test('the root of a bucket may do all, and nothing is left', async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    await server.createBucket('backups')
    const storage = await openTestS3(`s3:${server.origin}/backups/shop`)
    expect(statusOf(await probe(storage))).toMatchObject(ALL)
    expect(await keysOf(storage)).toEqual(['config'])
  })

  test('the policies that are printed are enough for what they promise, and for no more', async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    await server.createBucket('backups')
    await server.createUser(user)
    const url = `s3:${server.origin}/backups`
    const { permissions } = s3.access(url, {})
    const [forBackups = '', forAll = ''] = permissions.map(({ text }) => text)
    const allow = (text: string, leave = /./): Promise<void> => {
      const { Version, Statement } = JSON.parse(text) as { Version: string; Statement: Array<{ Action: string[] }> }
      const statements = Statement.map(each => ({
        ...each,
        Action: each.Action.filter(action => leave.test(action)),
        Principal: { AWS: [user.accessKeyId] },
      })).filter(({ Action }) => Action.length > 0)
      return server.setPolicy('backups', JSON.stringify({ Version, Statement: statements }))
    }
    const open = (): Promise<Storage> =>
      openTestS3(url, {
        context: {
          environment: { AWS_ACCESS_KEY_ID: user.accessKeyId, AWS_SECRET_ACCESS_KEY: user.secretAccessKey },
          loadSecret: async () => new Secret(user.secretAccessKey),
        },
      })

    expect(await probe(await open())).toMatchObject({ canRestore: false, canBackUp: false })

    await allow(forAll)
    expect(statusOf(await probe(await open()))).toMatchObject(ALL)

    const root = await openTestS3(url)
    await allow(forAll, /Get|List/)
    const reading = await probe(await open())
    expect(reading).toMatchObject({ canRestore: true, canBackUp: false, canDelete: false })
    expect(statusOf(reading)).toMatchObject({ read: 'ok', write: 'missing' })

    await allow(forBackups)
    const storage = await open()
    const report = await probe(storage)
    expect(report).toMatchObject({ canRestore: true, canBackUp: true, canDelete: false })
    expect(statusOf(report)).toMatchObject({ ...ALL, delete: 'missing' })
    await storage.save('locks/a', Buffer.from('x'))
    await storage.remove('locks/a')
    expect(await probe(await open())).toMatchObject({ canBackUp: true, canDelete: false })
    await root.close()
  })

  test('a bucket that is not there, and a wrong secret, are said with what to do', async () => {
    const server = await startS3Server()
    onTestFinished(() => server.close())
    await server.createBucket('backups')
    const [missing] = (await probe(await openTestS3(`s3:${server.origin}/other`))).checks
    expect(missing).toMatchObject({ name: 'list', status: 'missing', fix: expect.stringContaining('Make the bucket') })
    const environment = { AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: 'wrong' }
    const wrong = await probe(await openTestS3(`s3:${server.origin}/backups`, { context: { environment } }))
    expect(wrong.checks[0]).toMatchObject({ status: 'missing', fix: expect.stringContaining('AWS_SECRET_ACCESS_KEY') })
  })
})

describeWithRclone('on rclone', () => {
  test('serve s3: conditions are passed over, which is found; with the option that is named they are kept', async () => {
    const folder = makeTempDir()
    mkdirSync(join(folder, 'backups'))
    const keys = `${S3_KEYS.accessKeyId},${S3_KEYS.secretAccessKey}`
    const server = await startServer(RCLONE, port => {
      return ['serve', 's3', '--addr', `127.0.0.1:${port}`, '--auth-key', keys, '--config', '', folder]
    })
    onTestFinished(() => server.close())
    const url = `s3:http://127.0.0.1:${server.port}/backups/shop`
    const report = await probe(await openTestS3(url), s3.access(url, {}))
    expect(statusOf(report)).toMatchObject({ ...ALL, conditions: 'missing' })
    const fix = report.checks.find(({ name }) => name === 'conditions')?.fix
    expect(fix).toContain('storage: { conditionalWrites: false }')
    const storage = await openTestS3(url, { options: { conditionalWrites: false } })
    expect(statusOf(await probe(storage))).toMatchObject(ALL)
    expect(await keysOf(storage)).toEqual(['config'])
  })

  test('serve restic --append-only: backups can be made, nothing deleted, and it is said what else is missing', async () => {
    const server = await RestServer.start({ appendOnly: true })
    onTestFinished(() => server.remove())
    const open = await rest.load()
    const report = await probe(await open(server.url('shop'), {}, adapterContext(server.environment)))
    expect(report).toMatchObject({ canRestore: true, canBackUp: true, canDelete: false })
    expect(statusOf(report)).toMatchObject({ ...ALL, delete: 'missing', keys: 'missing' })
  })
})

describeWithAzure('on Azure', () => {
  test('a container lets all be done', async () => {
    const server = await startAzureServer()
    onTestFinished(() => server.close())
    await server.createContainer('backups')
    const open = await azure.load()
    const environment = { AZURE_ACCOUNT_NAME: AZURE_ACCOUNT, AZURE_ACCOUNT_KEY: AZURE_KEY }
    const storage = await open('azure:backups:/shop', { endpoint: server.endpoint }, adapterContext(environment))
    expect(statusOf(await probe(storage))).toMatchObject(ALL)
  })
})

describeWithGcs('on Google Cloud Storage', () => {
  test('a bucket lets all be done', async () => {
    const server = await startGcsServer()
    onTestFinished(() => server.close())
    await server.createBucket('backups')
    const open = await gcs.load()
    const context = adapterContext({ STORAGE_EMULATOR_HOST: `127.0.0.1:${server.port}` })
    expect(statusOf(await probe(await open('gs:backups:/shop', {}, context)))).toMatchObject(ALL)
  })
})

describe.skipIf(skipSftp)('on SFTP', () => {
  test('a folder lets all be done', async () => {
    const server = await SftpServer.start()
    onTestFinished(() => server.remove())
    const open = await sftp.load()
    const folder = join(server.root, randomBytes(4).toString('hex'))
    const storage = await open(server.url(folder), server.storageOptions, adapterContext())
    expect(statusOf(await probe(storage))).toMatchObject({ ...ALL, space: 'ok' })
    rmSync(folder, { recursive: true, force: true })
  })
})
