import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Workspace } from '../helpers/workspace.ts'

const closing: Array<() => void> = []
afterEach(() => closing.splice(0).forEach(close => close()))

/** A port where nobody is, or where somebody takes connections and says nothing. */
const portOf = async (kind: 'closed' | 'mute'): Promise<number> => {
  const sockets: Socket[] = []
  const server = createServer(socket => void sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  if (kind === 'closed') close()
  else closing.push(close)
  return port
}

test.each(['closed', 'mute'] as const)(
  'a restore of the latest from a folder does not wait for a far repository whose port is %s',
  async kind => {
    const workspace = new Workspace()
    mkdirSync(workspace.docs, { recursive: true })
    const content = randomBytes(1000)
    writeFileSync(join(workspace.docs, 'one'), content)
    writeFileSync(
      workspace.path('lifeboat.yaml'),
      `repositories:
  far: { url: "rest:http://127.0.0.1:${await portOf(kind)}/", passwordFile: ./password }
  main: { url: ./backups, passwordFile: ./password }
sources:
  docs: { kind: files, path: ./docs }
`,
    )
    await workspace.run('init', '--repo', 'main')
    await workspace.run('backup', '--repo', 'main')
    const startedAt = performance.now()
    const { code, stderr } = await workspace.try('restore', 'docs', '--to', workspace.path('out'))
    // It would be tried for 15 minutes; a connection that stands still is given up after 90 s.
    expect(performance.now() - startedAt).toBeLessThan(60_000)
    expect([code, stderr]).toEqual([0, expect.stringContaining('whether far has a newer recovery point is not known')])
    expect(readFileSync(workspace.path('out/one')).equals(content)).toBe(true)
  },
)
