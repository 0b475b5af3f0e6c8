import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '../../src/base/secret.ts'
import { authorizationOf } from '../../src/clients/azure/sign.ts'
import { cachedServer, type RunningServer, startServer } from './server-program.ts'

const { program, describe } = cachedServer(
  'server of Azure Blob Storage (azurite)',
  'azurite-3.37.0/node_modules/.bin/azurite-blob',
)

export const describeWithAzure = describe

export const AZURE_ACCOUNT = 'plantedaccount'
export const AZURE_KEY = Buffer.from('planted azure secret 5e2a90').toString('base64')

/** Azurite of the tests' own over a temporary folder, on a free port, with an account of its own. */
export async function startAzureServer(): Promise<
  RunningServer & { readonly endpoint: string; createContainer(name: string): Promise<void> }
> {
  const folder = await mkdtemp(join(tmpdir(), 'lb-azure-'))
  const server = await startServer(
    process.execPath,
    port => [
      program,
      '--blobHost',
      '127.0.0.1',
      '--blobPort',
      String(port),
      '--location',
      folder,
      '--silent',
      '--skipApiVersionCheck',
      '--disableTelemetry',
    ],
    { AZURITE_ACCOUNTS: `${AZURE_ACCOUNT}:${AZURE_KEY}` },
  )
  const origin = `http://127.0.0.1:${server.port}`
  return {
    ...server,
    endpoint: `${origin}/${AZURE_ACCOUNT}`,
    createContainer: async name => {
      const path = `/${AZURE_ACCOUNT}/${name}`
      const headers = { 'x-ms-version': '2021-08-06', 'x-ms-date': new Date().toUTCString(), 'content-length': '0' }
      const request = { method: 'PUT', path, query: [['restype', 'container']] as const, headers }
      const authorization = authorizationOf(request, { account: AZURE_ACCOUNT, key: new Secret(AZURE_KEY) })
      const { status } = await fetch(`${origin}${path}?restype=container`, {
        method: 'PUT',
        headers: { ...headers, authorization },
      })
      if (status !== 201) throw new Error(`the container ${name} was not made: ${status}`)
    },
    close: async () => {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
