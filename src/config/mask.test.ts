import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { TRUST_OURS } from '../base/believed-file.ts'
import { AppError } from '../base/errors.ts'
import type { Mask } from '../model/masking/rules.ts'
import { loadMask } from './mask.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'lifeboat-mask-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

async function load(text: string, environment = {}): Promise<Mask> {
  writeFileSync(join(dir, 'mask.yaml'), text)
  return await loadMask(join(dir, 'mask.yaml'), { environment, trust: TRUST_OURS })
}

async function failure(text: string): Promise<AppError> {
  const error = await load(text).catch((reason: unknown) => reason)
  if (!(error instanceof AppError)) throw new Error(`no clear error: ${String(error)}`)
  return error
}

describe('a mask file', () => {
  it('is read with the place of every rule', async () => {
    const mask = await load(
      `seed: \${MASK_SEED}
staging: ./private
tables:
  users: { email: email, password_hash: { fixed: "x" }, born: "null", gone: null }
  public.customer:
    city: { sql: "upper(substr(city,1,1))" }
    ref: { kind: hash, domain: customers }
    id: keep
`,
      { MASK_SEED: 'from the environment' },
    )
    expect(mask.seed.reveal()).toBe('from the environment')
    expect(JSON.stringify(mask)).not.toContain('from the environment')
    expect(mask.staging).toBe(join(dir, 'private'))
    expect(mask.tables).toEqual([
      {
        table: 'users',
        at: 'mask.yaml:4:3',
        columns: [
          { column: 'email', rule: { kind: 'email' }, at: 'mask.yaml:4:12' },
          { column: 'password_hash', rule: { kind: 'fixed', value: 'x' }, at: 'mask.yaml:4:26' },
          { column: 'born', rule: { kind: 'null' }, at: 'mask.yaml:4:57' },
          { column: 'gone', rule: { kind: 'null' }, at: 'mask.yaml:4:71' },
        ],
      },
      {
        table: 'public.customer',
        at: 'mask.yaml:5:3',
        columns: [
          { column: 'city', rule: { kind: 'sql', expression: 'upper(substr(city,1,1))' }, at: 'mask.yaml:6:5' },
          { column: 'ref', rule: { kind: 'hash', domain: 'customers' }, at: 'mask.yaml:7:5' },
          { column: 'id', rule: { kind: 'keep' }, at: 'mask.yaml:8:5' },
        ],
      },
    ])
  })

  it('takes its seed from a file, or a new one each time', async () => {
    writeFileSync(join(dir, 'seed'), 'in a file\n', { mode: 0o600 })
    expect((await load('seedFile: seed\ntables: {}\n')).seed.reveal()).toBe('in a file')
    expect((await failure('seedFile: none\ntables: {}\n')).message).toContain('cannot read the seed file')
    const seeds = [await load('tables: {}\n'), await load('tables: {}\n')].map(mask => mask.seed.reveal())
    expect(seeds[0]).not.toBe(seeds[1])
    expect(seeds[0]).toHaveLength(64)
  })

  it('says every problem with its line', async () => {
    const error = await failure('sed: x\ntables:\n  users: { email: emial, note: { fixd: 1 } }\n')
    expect(error.code).toBe('config-invalid')
    expect(error.message).toContain('mask.yaml:1:1: sed is not a known key; did you mean "seed"?')
    expect(error.message).toContain('mask.yaml:3:19: tables.users.email cannot be "emial"')
    expect(error.message).toContain('mask.yaml:3:34: tables.users.note.fixd is not a known key; did you mean "fixed"?')
    expect((await failure('seed: a\nseedFile: b\ntables: {}\n')).message).toContain('only one of seed and seedFile')
    expect((await failure('seed: ${NOT_SET}\ntables: {}\n')).message).toContain(
      'environment variable NOT_SET is not set',
    )
    const missing = await loadMask(join(dir, 'none.yaml'), { environment: {}, trust: TRUST_OURS }).catch(
      (reason: unknown) => reason,
    )
    expect(missing).toMatchObject({ code: 'config-not-found' })
  })
})
