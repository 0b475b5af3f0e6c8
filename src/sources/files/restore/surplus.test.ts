import { chmodSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makeTempDir } from '../../../../test/helpers/tempdir.ts'
import type { Incomplete } from '../../../model/incomplete.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { SnapshotReader } from '../../snapshot-reader.ts'
import { FindingLog } from '../finding-log.ts'
import { SurplusRemover, type SurplusRequest, surveySurplus } from './surplus.ts'

/** Names that end with a slash are folders. */
function readerOf(paths: readonly string[], incomplete?: Incomplete): SnapshotReader {
  const entries = paths.map(each => {
    const path = each.replace(/\/$/, '')
    const node = { name: path.slice(path.lastIndexOf('/') + 1), type: each.endsWith('/') ? 'dir' : 'file', mtimeNs: 0n }
    return { path, node: node as TreeNode }
  })
  const reader: Partial<SnapshotReader> = {
    id: 'f'.repeat(64),
    manifest: incomplete && ({ incomplete } as SnapshotReader['manifest']),
    entries: async function* () {
      yield* entries
    },
  }
  return reader as SnapshotReader
}

function folderWith(paths: readonly string[]): string {
  const folder = makeTempDir()
  for (const path of paths) {
    if (path.endsWith('/')) mkdirSync(join(folder, path), { recursive: true })
    else writeFileSync(join(folder, path), path)
  }
  return folder
}

const requestOf = (folder: string, snapshot: SnapshotReader, more: Partial<SurplusRequest> = {}): SurplusRequest => ({
  folder,
  snapshot,
  include: [],
  wish: { spare: [], seenAt: undefined },
  signal: new AbortController().signal,
  ...more,
})

async function remove(request: SurplusRequest): Promise<string[]> {
  const findings = new FindingLog()
  await (await SurplusRemover.open(request, findings)).removeAll()
  return findings.list().map(({ code, subject }) => `${code} ${subject.slice(request.folder.length + 1)}`.trim())
}

const left = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).toSorted()

test('what came after a person was shown what would go stays, and is named', async () => {
  const folder = folderWith(['a', 'old', 'sub/', 'sub/old'])
  await pause(20)
  const seenAt = new Date()
  await pause(20)
  writeFileSync(join(folder, 'sub/late'), 'x')
  const told = await remove(requestOf(folder, readerOf(['a', 'keep/']), { wish: { spare: [], seenAt } }))
  expect(left(folder)).toEqual(['a', 'sub', 'sub/late'])
  expect(told).toEqual(['surplus-removed', 'surplus-kept sub/late'])
})

test('what is written while others are removed stays, and is named', async () => {
  const names = Array.from({ length: 200 }, (_, at) => `new/${String(at).padStart(3, '0')}`)
  const folder = folderWith(['new/', ...names])
  const findings = new FindingLog()
  const remover = await SurplusRemover.open(requestOf(folder, readerOf([])), findings)
  const inNew = (): string[] => left(join(folder, 'new'))
  const write = (): void => {
    if (inNew().length === 200) return void setImmediate(write)
    // Removed last: it is still there.
    writeFileSync(join(folder, 'new/000'), 'an acknowledged write')
  }
  write()
  await remover.removeAll()
  expect(inNew()).toEqual(['000'])
  expect(findings.list()).toContainEqual(
    expect.objectContaining({ code: 'surplus-kept', subject: join(folder, 'new/000') }),
  )
})

test('what the capture lost is no surplus; where the list of that is cut off nothing is removed', async () => {
  const folder = folderWith(['a', 'b', 'lost', 'private/', 'private/key', 'x/'])
  const lost = (count: number): Incomplete => ({
    count,
    entries: ['lost', 'private'].map(path => ({ path, reason: 'permission denied', absent: true })),
  })
  const survey = await surveySurplus(requestOf(folder, readerOf(['a', 'x/'], lost(2))))
  expect(survey).toEqual({ files: 1, folders: 0, sizeBytes: 1, names: ['b'] })
  await remove(requestOf(folder, readerOf(['a', 'x/'], lost(2))))
  expect(left(folder)).toEqual(['a', 'lost', 'private', 'private/key', 'x'])
  await expect(remove(requestOf(folder, readerOf(['a', 'x/'], lost(3))))).rejects.toMatchObject({
    code: 'target-invalid',
  })
})

test('sockets and what is ours stay, with the folders around them; closed folders are opened, and left as they were', async () => {
  const folder = folderWith(['x/', 'x/gone', 'run/', 'run/gone', 'ours/', 'ours/key', 'deep/', 'deep/er/', 'deep/er/f'])
  const server = createServer().listen(join(folder, 'run/socket'))
  try {
    await new Promise(resolve => server.once('listening', resolve))
    chmodSync(join(folder, 'x'), 0o500)
    chmodSync(join(folder, 'deep/er'), 0o500)
    utimesSync(join(folder, 'x'), 1, 1)
    await remove(
      requestOf(folder, readerOf(['a', 'x/']), { wish: { spare: [join(folder, 'ours')], seenAt: undefined } }),
    )
    expect(left(folder)).toEqual(['ours', 'ours/key', 'run', 'run/socket', 'x'])
  } finally {
    server.close()
    chmodSync(join(folder, 'x'), 0o700)
  }
})

test('an empty list of what was asked for is the whole folder, a path is no more than that', async () => {
  const folder = folderWith(['a', 'b', 'in/', 'in/c', 'in/d'])
  const reader = readerOf(['a', 'in/', 'in/c'])
  await remove(requestOf(folder, reader, { include: ['in'] }))
  expect(left(folder)).toEqual(['a', 'b', 'in', 'in/c'])
  await remove(requestOf(folder, reader))
  expect(left(folder)).toEqual(['a', 'in', 'in/c'])
})
