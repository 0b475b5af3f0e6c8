import { collect } from '../../base/collect.ts'
import { AppError } from '../../base/errors.ts'
import type { ObjectKind } from '../../operations/cat/cat-object.ts'
import type { Printed } from '../../outputs/outputs.ts'
import { pointJson } from '../../outputs/point.ts'
import type { Call, Command, Output } from '../command.ts'
import { ORIGIN_OPTIONS, repoOf } from '../selection.ts'
import { POINT_ARGUMENT, SOURCE_OPTION, typedPointAndPath } from '../snapshot-argument.ts'

const OBJECTS: readonly ObjectKind[] = ['config', 'snapshot', 'index', 'key', 'lock', 'tree', 'blob', 'pack']

export const cat: Command<Printed<'cat'>> = {
  name: 'cat',
  summary: 'print a file from a snapshot',
  description: [
    'Writes the bytes to stdout unchanged, after checking each block. With --object, prints a decrypted object of the repository instead, to inspect the format; keys and salts are not shown.',
  ],
  arguments: [
    { ...POINT_ARGUMENT, summary: `${POINT_ARGUMENT.summary}; with --object the object’s id` },
    { name: 'path', summary: 'the file' },
  ],
  options: [
    { flags: '--object <kind>', summary: 'print an object of the repository', choices: OBJECTS },
    SOURCE_OPTION,
    ...ORIGIN_OPTIONS,
  ],
  examples: [
    { command: 'lifeboat cat docs reports/2026.csv', explains: 'from the newest snapshot of a source' },
    { command: 'lifeboat cat docs reports/2026.csv --at "1d ago"', explains: 'the file as it was yesterday' },
    { command: 'lifeboat cat 3f2a /.lifeboat/manifest.json', explains: 'the manifest of a snapshot' },
    { command: 'lifeboat cat --object snapshot 3f2a', explains: 'the raw snapshot record' },
  ],
  run: async call => {
    const kind = OBJECTS.find(name => name === call.values.text('object'))
    return kind === undefined ? file(call) : object(call, kind)
  },
}

async function file(call: Call): Promise<Output<Printed<'cat'>>> {
  const { catFile } = await import('../../operations/cat/cat-file.ts')
  const { chosen, path } = await typedPointAndPath(call)
  if (path === undefined) {
    throw new AppError('usage', "missing required argument 'path'", {
      hint: 'Say which file: "lifeboat cat SNAPSHOT PATH".',
    })
  }
  const { contents, snapshot } = chosen
  const found = await catFile({ repository: contents, snapshot, path, signal: call.signal })
  if (!call.json) return { json: undefined, text: found.content }
  const content = Buffer.concat(await collect(found.content)).toString('base64')
  return { json: { ...pointJson(chosen), path: found.path, sizeBytes: found.sizeBytes, content }, text: '' }
}

async function object(call: Call, kind: ObjectKind): Promise<Output<Printed<'cat'>>> {
  const { catObject } = await import('../../operations/cat/cat-object.ts')
  const { singleRepositoryName } = await import('../../operations/workspace/names.ts')
  const app = await call.openApp()
  const name = singleRepositoryName(app, repoOf(call))
  const repository = await app.repository(name)
  const { id, bytes, isText } = await catObject({ repository, kind, id: call.values.text('snapshot') })
  const json = { repository: name, object: kind, id, sizeBytes: bytes.length, content: bytes.toString('base64') }
  return { json, text: isText ? `${bytes.toString('utf8').trimEnd()}\n` : bytes }
}
