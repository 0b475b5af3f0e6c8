import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { SOURCES } from '../../src/sources/registry.ts'

const folder = join(import.meta.dirname, '../../examples')
const configs = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(path =>
  path.endsWith('lifeboat.yaml'),
)

describe('examples', () => {
  it('are there', () => {
    expect(configs.length).toBeGreaterThanOrEqual(2)
  })

  it.each(configs)('%s is valid', async path => {
    const config = await loadConfig(join(folder, path), { environment: {}, kinds: SOURCES })
    expect(config.findings).toEqual([])
    expect([...config.sources.keys()].length).toBeGreaterThan(0)
  })
})
