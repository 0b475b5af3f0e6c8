import type { LogCoverage } from '../../model/recovery-window.ts'
import { DEFAULT_WAL_SEGMENT_BYTES, parseHistory, segmentOf, type TimelineSwitch } from '../../model/wal.ts'
import type { WalStore } from '../../repository/index.ts'

/** What a repository holds of one cluster's log. */
export interface WalArchive {
  readonly systemIdentifier: string
  readonly log: LogCoverage
  readonly files: number
  /** Compressed and sealed. */
  readonly storedBytes: number
  /** The name under which the newest segment of a timeline is stored: it may be unfinished. */
  readonly unfinished: ReadonlySet<string>
}

/** Lists a cluster's log files. An unfinished last segment counts as there: it holds all that was received. */
export async function readArchive(store: WalStore, systemIdentifier: string, signal: AbortSignal): Promise<WalArchive> {
  const names: string[] = []
  const historyNames: string[] = []
  const unfinished = new Set<string>()
  let files = 0
  let storedBytes = 0
  for await (const { file, storedBytes: bytes } of store.list(systemIdentifier, signal)) {
    files++
    storedBytes += bytes
    if (file.kind === 'history') historyNames.push(file.name)
    if (file.kind === 'segment') names.push(file.name)
    if (file.kind === 'partial') unfinished.add(file.name.slice(0, 24))
  }
  for (const name of names) unfinished.delete(name)
  const segmentBytes = await segmentSize(store, systemIdentifier, names[0] ?? partialName(unfinished), signal)
  const segments = new Map<number, Set<bigint>>()
  for (const name of [...names, ...unfinished]) {
    const { timeline, number } = segmentOf(name, segmentBytes)
    const known = segments.get(timeline)
    if (known) known.add(number)
    else segments.set(timeline, new Set([number]))
  }
  const histories = await readHistories(store, systemIdentifier, historyNames, signal)
  return { systemIdentifier, log: { segmentBytes, segments, histories }, files, storedBytes, unfinished }
}

function partialName(unfinished: ReadonlySet<string>): string | undefined {
  const [first] = unfinished
  return first === undefined ? undefined : `${first}.partial`
}

async function segmentSize(
  store: WalStore,
  systemIdentifier: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const header = name === undefined ? undefined : await store.findHeader(systemIdentifier, name, signal)
  return header?.segmentBytes ?? DEFAULT_WAL_SEGMENT_BYTES
}

async function readHistories(
  store: WalStore,
  systemIdentifier: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Map<number, readonly TimelineSwitch[]>> {
  const histories = new Map<number, readonly TimelineSwitch[]>()
  for (const name of names) {
    const found = await store.find(systemIdentifier, name, signal)
    if (found) histories.set(Number.parseInt(name.slice(0, 8), 16), parseHistory(found.bytes.toString('utf8')))
  }
  return histories
}
