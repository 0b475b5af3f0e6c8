import { cachedServer, type RunningServer, startServer } from './server-program.ts'

const { program, describe } = cachedServer(
  'server of Google Cloud Storage (fake-gcs-server)',
  'fake-gcs-server-0.1.1/fake-gcs-server',
)

export const describeWithGcs = describe

/** A server of the tests' own, all in memory, on a free port. It asks for no credentials. */
export async function startGcsServer(): Promise<
  RunningServer & { createBucket(name: string, options?: { readonly versions?: boolean }): Promise<void> }
> {
  const server = await startServer(program, port => {
    const host = `127.0.0.1:${port}`
    return [
      '-scheme',
      'http',
      '-host',
      '127.0.0.1',
      '-port',
      String(port),
      '-backend',
      'memory',
      '-public-host',
      host,
      '-external-url',
      `http://${host}`,
    ]
  })
  return {
    ...server,
    createBucket: async (name, { versions = false } = {}) => {
      const headers = { 'content-type': 'application/json' }
      const body = JSON.stringify({ name, versioning: { enabled: versions } })
      const url = `http://127.0.0.1:${server.port}/storage/v1/b?project=tests`
      const { status } = await fetch(url, { method: 'POST', headers, body })
      if (status !== 200) throw new Error(`the bucket ${name} was not made: ${status}`)
    },
  }
}
