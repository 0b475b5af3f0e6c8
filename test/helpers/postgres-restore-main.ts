import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Manifest } from '../../src/model/manifest.ts'
import { SOURCES } from '../../src/sources/registry.ts'
import { type DrainedEntry, makeContext, makeReader } from './drained-snapshot.ts'
import type { RestoreOrder } from './postgres-restore-process.ts'

// Restores in a process that can be killed: `postgres-restore-main.ts ORDER`. Says where it is; at the point where it shall
// be killed it waits for ever.
const order = JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')) as RestoreOrder & {
  readonly id: string
  readonly manifest: Manifest
  readonly entries: ReadonlyArray<DrainedEntry & { readonly node: { readonly mtimeNs: string } }>
}
const entries = order.entries.map(entry => {
  const { name, type, mode, uid, gid, sizeBytes, content } = entry.node
  const node = { name, type, mode, uid, gid, mtimeNs: BigInt(entry.node.mtimeNs) }
  return {
    ...entry,
    node: { ...node, ...(sizeBytes === undefined ? {} : { sizeBytes }), ...(content ? { content } : {}) },
  }
})
const forEver = new Promise<never>(() => {})
// Alone a promise does not keep a process alive.
const alive = setInterval(() => {}, 60_000)

const { kind = 'postgres', ...options } = order.options
const definition = SOURCES.find(each => each.kind === kind)
if (definition === undefined) throw new Error(`no kind of source: ${kind}`)
const source = (await definition.load())('shop', definition.options.parse(options), { baseDir: '/' })
const outcome = await source.restore({
  ...(await makeContext(dirname(process.argv[2] ?? ''))),
  snapshot: makeReader(order.id, order.manifest, entries),
  target: order.target,
  include: [],
  checks: true,
  force: true,
  delta: order.delta ?? false,
  selection: order.selection,
  keepAs: order.keepAs,
  own: order.own,
  beforeChange: async ({ token }) => {
    process.send?.({ at: 'before', token })
    if (order.holdAt === 'before') await forEver
  },
})
process.send?.({ at: 'after', writtenBytes: outcome.writtenBytes })
if (order.holdAt === 'after') await forEver
clearInterval(alive)
process.disconnect()
