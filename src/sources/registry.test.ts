import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { SOURCES } from './registry.ts'

describe('registry of sources', () => {
  it('lists every adapter folder, each once', () => {
    const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter(
      entry => entry.isDirectory() && entry.name !== 'beside',
    )
    // Several kinds of one engine share a folder, and begin with its name.
    const foldersOf = (kind: string) => folders.filter(({ name }) => kind === name || kind.startsWith(`${name}-`))
    for (const { kind } of SOURCES) expect(foldersOf(kind), kind).toHaveLength(1)
    for (const { name } of folders) expect(SOURCES.map(({ kind }) => kind)).toContain(name)
    expect(new Set(SOURCES.map(({ kind }) => kind)).size).toBe(SOURCES.length)
  })

  it('describes every option', () => {
    for (const definition of SOURCES) {
      expect(definition.summary).not.toBe('')
      if (!(definition.options instanceof z.ZodObject)) throw new Error(`${definition.kind}: options are no object`)
      for (const [key, field] of Object.entries<z.ZodType>(definition.options.shape)) {
        expect(field.description, `${definition.kind}.${key}`).toBeTruthy()
      }
    }
  })

  it('makes a source of each kind', async () => {
    for (const definition of SOURCES) {
      const make = await definition.load()
      const options = definition.options.parse({ path: './x' })
      const source = make('one', options, { baseDir: join(import.meta.dirname, 'nowhere') })
      expect([source.name, source.kind]).toEqual(['one', definition.kind])
      await source.close()
    }
  })

  it('has one kind for snapshots of other programs', () => {
    expect(SOURCES.filter(({ takesForeign }) => takesForeign)).toHaveLength(1)
  })
})
