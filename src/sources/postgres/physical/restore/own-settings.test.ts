import { describe, expect, it } from 'vitest'
import type { Manifest } from '../../../../model/manifest.ts'
import { recoverySettings } from './own-settings.ts'

const settingsOf = (properties: Record<string, unknown>): Map<string, string> => {
  const manifest = { database: { properties } } as unknown as Manifest
  return new Map(
    recoverySettings(manifest).map(setting => [setting.split('=')[0] ?? '', setting.slice(setting.indexOf('=') + 1)]),
  )
}

describe('the settings of a server that recovers a copy', () => {
  it('keep it from the machine and the peers of its original', () => {
    const settings = settingsOf({})
    for (const name of ['shared_preload_libraries', 'synchronous_standby_names', 'external_pid_file']) {
      expect(settings.get(name)).toBe('')
    }
    expect(['ssl', 'huge_pages', 'archive_mode', 'hot_standby'].map(name => settings.get(name))).toEqual(
      Array.from({ length: 4 }, () => 'off'),
    )
  })

  it('leave room for segments of any size', () => {
    const small = settingsOf({ walSegmentBytes: 1024 * 1024 })
    expect([small.get('min_wal_size'), small.get('max_wal_size')]).toEqual(['80MB', '1024MB'])
    const large = settingsOf({ walSegmentBytes: 1024 ** 3 })
    expect([large.get('min_wal_size'), large.get('max_wal_size')]).toEqual(['2048MB', '4096MB'])
  })

  it('leave room for the locks of prepared transactions: as many as the original had, and never few', () => {
    const names = ['max_prepared_transactions', 'max_locks_per_transaction']
    const room = (properties: Record<string, unknown>): unknown[] => names.map(name => settingsOf(properties).get(name))
    expect(room({})).toEqual(['100', '100'])
    expect(room({ max_prepared_transactions: '200', max_locks_per_transaction: '512' })).toEqual(['400', '512'])
    expect(room({ max_prepared_transactions: 'many', max_locks_per_transaction: '-1' })).toEqual(['100', '100'])
  })
})
