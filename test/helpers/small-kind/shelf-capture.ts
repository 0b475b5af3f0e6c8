import type { Capture, CaptureEntry, CaptureSummary, Content } from '../../../src/sources/source.ts'

/** All of a shelf as of the moment it was read, a file for each key. */
export class ShelfCapture implements Capture {
  readonly #values: ReadonlyMap<string, string>
  readonly #capturedAt = new Date()

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  async *entries(): AsyncGenerator<CaptureEntry> {
    for (const key of [...this.#values.keys()].toSorted()) {
      const value = Buffer.from(this.#values.get(key) ?? '')
      const meta = { type: 'file', mode: 0o600, mtimeNs: 0n, uid: 0, gid: 0 } as const
      yield { path: encodeURIComponent(key), meta, open: async () => contentOf(value) }
    }
  }

  async finish(): Promise<CaptureSummary> {
    return { capturedAt: this.#capturedAt, findings: [], complete: true }
  }

  async close(): Promise<void> {}
}

function contentOf(value: Buffer): Content {
  let at = 0
  return {
    sizeBytes: value.length,
    cut: { kind: 'content' },
    read: async into => {
      const count = value.copy(into, 0, at)
      at += count
      return count
    },
    close: async () => {},
  }
}
