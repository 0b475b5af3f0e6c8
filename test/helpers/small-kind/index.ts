import { resolve } from 'node:path'
import { z } from 'zod'
import { isSamePath } from '../../../src/base/real-path.ts'
import { defineSource } from '../../../src/sources/source.ts'

const options = z.object({ path: z.string().min(1).describe('The journal of the shelf.') })

/** A kind that the house does not have, to show what a kind costs: this folder, and its name in a list of kinds. */
export const shelf = defineSource({
  kind: 'shelf',
  summary: 'A shelf of keys and values.',
  example: 'shelf: { kind: shelf, path: ./shelf.jsonl }',
  options,
  optionsAt: path => options.parse({ path }),
  ownPlace: ({ path }, { baseDir }) => resolve(baseDir, path),
  isOwnPlace: (place, { path }, { baseDir }) => isSamePath(place, resolve(baseDir, path)),
  hasLog: false,
  byRestic: 'a file for each key',
  load: async () => {
    const { ShelfSource } = await import('./shelf-source.ts')
    return (name, { path }, { baseDir }) => new ShelfSource(name, resolve(baseDir, path))
  },
})
