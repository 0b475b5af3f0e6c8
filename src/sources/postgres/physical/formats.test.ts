import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAppError } from '../../../base/errors.ts'
import { parseBackupLabel, parseTablespaceMap } from './capture/backup-label.ts'
import { TarReader } from './capture/tar-stream.ts'
import { pageChecksum, storedChecksum } from './pages/page-checksum.ts'
import { PageVerifier } from './pages/page-verifier.ts'
import { withRecoverySettings } from './restore/recovery-settings.ts'
import { readManifestFiles, readManifestRange, writeBackupManifest } from './verify/backup-manifest.ts'

describe('backup_manifest', () => {
  const range = { timeline: 3, start: 0x3000028n, end: 0x3000100n }
  const modifiedAt = new Date('2026-09-04T02:00:00.900Z')

  it('is read back, and sums itself up', () => {
    const files = [
      { path: 'PG_VERSION', sizeBytes: 3, modifiedAt, sha256: 'a'.repeat(64) },
      { path: 'base/5/1249', sizeBytes: 8192, modifiedAt, sha256: undefined },
    ]
    const text = writeBackupManifest(files, range).toString('utf8')
    expect(readManifestFiles(text)).toEqual(
      new Map([
        ['PG_VERSION', { sizeBytes: 3, sha256: 'a'.repeat(64) }],
        ['base/5/1249', { sizeBytes: 8192, sha256: undefined }],
      ]),
    )
    expect(readManifestRange(text)).toEqual(range)
    expect(text).toContain('"Last-Modified": "2026-09-04 02:00:00 GMT"')
    const body = text.slice(0, text.indexOf('"Manifest-Checksum"'))
    expect(text.slice(body.length)).toBe(`"Manifest-Checksum": "${createHash('sha256').update(body).digest('hex')}"}\n`)
  })

  it('survives hostile text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), text => {
        expect(readManifestFiles(text).size).toBe(0)
        expect(readManifestRange(text)).toBeUndefined()
      }),
    )
  })

  it('writes names that are not UTF-8 as PostgreSQL does', () => {
    const files = [{ path: 'log/\udcff.log', sizeBytes: 1, modifiedAt, sha256: undefined }]
    expect(writeBackupManifest(files, range).toString('utf8')).toContain('"Encoded-Path": "6c6f672fff2e6c6f67"')
  })
})

describe('backup_label', () => {
  const label = [
    'START WAL LOCATION: 0/A000028 (file 00000002000000000000000A)',
    'CHECKPOINT LOCATION: 0/A000060',
    'BACKUP METHOD: streamed',
    'START TIMELINE: 2',
    '',
  ].join('\n')

  it('says where recovery begins', () => {
    expect(parseBackupLabel(label)).toEqual({
      startLsn: 0xa000028n,
      startSegment: '00000002000000000000000A',
      timeline: 2,
    })
  })

  it('is refused without it', () => {
    expect(() => parseBackupLabel('LABEL: x')).toThrow('names no start')
  })

  it('tells tablespaces, whatever is in their paths', () => {
    expect(parseTablespaceMap('16385 /srv/a\n16386 /srv/b c\n')).toEqual(
      new Map([
        ['16385', '/srv/a'],
        ['16386', '/srv/b c'],
      ]),
    )
    expect(parseTablespaceMap('1 /back\\\\slash\n2 /line\\\nend\n')).toEqual(
      new Map([
        ['1', '/back\\slash'],
        ['2', '/line\nend'],
      ]),
    )
  })
})

describe('recovery settings', () => {
  it('replace those of an earlier recovery, and keep all else', () => {
    const before = "work_mem = '8MB'\nrestore_command = 'old'\nrecovery_target_xid = '5'\n"
    const text = withRecoverySettings(before, {
      target: { kind: 'name', name: "it's" },
      branch: '3',
      inclusive: false,
      log: { fetchCommand: ['/opt/my app/fetch', "it's", '100%'], fetchedFolder: '/var/fetched' },
    })
    expect(text.split('\n').filter(line => !line.startsWith('#'))).toEqual([
      "work_mem = '8MB'",
      "recovery_target_name = 'it''s'",
      `restore_command = 'mv -f /var/fetched/%f "%p" 2>/dev/null || ''/opt/my app/fetch'' ''it''\\\\''''s'' 100%% "%f" "%p"'`,
      "recovery_target_timeline = '3'",
      "recovery_target_inclusive = 'off'",
      "recovery_target_action = 'promote'",
      '',
    ])
    expect(withRecoverySettings(text, undefined)).not.toMatch(/recovery_target|restore_command = /)
  })
})

describe('tar', () => {
  const readAll = async (bytes: Buffer): Promise<Array<[string, string, string]>> => {
    let at = 0
    const tar = new TarReader(into => {
      const count = bytes.copy(into, 0, at)
      at += count
      return Promise.resolve(count)
    })
    const members: Array<[string, string, string]> = []
    for (let member = await tar.next(); member; member = await tar.next()) {
      const content = Buffer.alloc(member.sizeBytes)
      await tar.read(content)
      members.push([member.name, member.type, createHash('sha256').update(content).digest('hex')])
    }
    return members
  }
  const sample = (): Buffer => {
    const dir = mkdtempSync(join(tmpdir(), 'lb-tar-'))
    try {
      mkdirSync(join(dir, 'base/5'), { recursive: true })
      writeFileSync(join(dir, 'base/5/1249'), Buffer.alloc(70_001, 7))
      writeFileSync(join(dir, 'PG_VERSION'), '15\n')
      return execFileSync('tar', ['-C', dir, '--format=ustar', '-cf', '-', 'PG_VERSION', 'base'])
    } finally {
      rmSync(dir, { recursive: true })
    }
  }

  it('is read member by member', async () => {
    const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    const none = sha256(Buffer.alloc(0))
    expect(await readAll(sample())).toEqual([
      ['PG_VERSION', 'file', sha256(Buffer.from('15\n'))],
      ['base', 'dir', none],
      ['base/5', 'dir', none],
      ['base/5/1249', 'file', sha256(Buffer.alloc(70_001, 7))],
    ])
  })

  it('is refused when it is cut or damaged', async () => {
    const bytes = sample()
    for (const bad of [bytes.subarray(0, 700), bytes.subarray(0, 40_000), Buffer.from(bytes).fill(0xff, 1000, 1040)]) {
      const error = await readAll(bad).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(isAppError(error, 'source-invalid')).toBe(true)
    }
  })
})

describe('page checksums', () => {
  const page = (lsn: number, block: number): Uint8Array => {
    const words = new Int32Array(2048).map((_, i) => Math.imul(i, 2_654_435_761))
    words[0] = 0
    words[1] = lsn
    words[3] = 0x1f00_0018
    words[2] = 0
    words[2] = pageChecksum(words, 0, block)
    return new Uint8Array(words.buffer)
  }
  const never = (): Promise<boolean> => Promise.reject(new Error('read again'))

  it('depend on the block number, and leave the page as it is', () => {
    const words = new Int32Array(page(5, 7).buffer)
    expect(pageChecksum(words, 0, 7)).toBe(storedChecksum(words, 0))
    expect(pageChecksum(words, 0, 8)).not.toBe(storedChecksum(words, 0))
  })

  it('pass sound and new pages without reading them again', async () => {
    const verifier = new PageVerifier(100n)
    await verifier.verify(page(5, 7), { path: 'base/5/1', firstBlock: 7 }, never)
    await verifier.verify(new Uint8Array(8192), { path: 'base/5/1', firstBlock: 8 }, never)
    expect(verifier.listDamage(200n)).toEqual([])
  })

  it('find any flipped byte of a page, but for one that the log brings in order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 24, max: 8191 }), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const damaged = page(5, 7)
        damaged[at] = (damaged[at] ?? 0) ^ change
        const verifier = new PageVerifier(100n)
        await verifier.verify(damaged, { path: 'p', firstBlock: 7 }, () => Promise.resolve(true))
        expect(verifier.listDamage(200n)).toEqual([{ path: 'p', blocks: [7], count: 1 }])
        const later = new PageVerifier(5n)
        await later.verify(damaged, { path: 'p', firstBlock: 7 }, never)
        expect(later.listDamage(200n)).toEqual([])
        // A position beyond the end of the backup can't be true.
        await later.verify(damaged, { path: 'p', firstBlock: 7 }, never)
        expect(later.listDamage(4n)).toHaveLength(1)
      }),
      { numRuns: 30 },
    )
  })

  it('take a torn page that reads as whole the second time, unaligned too', async () => {
    const sound = page(5, 7)
    const torn = new Uint8Array(8192 + 1).subarray(1)
    torn.set(sound)
    torn.fill(9, 4096, 5000)
    const verifier = new PageVerifier(100n)
    await verifier.verify(torn, { path: 'p', firstBlock: 7 }, bytes => {
      bytes.set(sound)
      return Promise.resolve(true)
    })
    expect(verifier.listDamage(200n)).toEqual([])
    expect(Buffer.from(torn).equals(Buffer.from(sound))).toBe(true)
  })
})
