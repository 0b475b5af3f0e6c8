import { deepEqual } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, beforeEach } from 'vitest'
import type { Finding } from '../../src/model/finding.ts'
import {
  createRepository,
  type Helper,
  openRepository,
  type Repository,
  type Snapshot,
} from '../../src/repository/index.ts'
import { backUp, copyStorage, engineOptions, readBack, SteppedClock, useCheapKey } from './engine.ts'
import { FaultyStorage } from './faulty-storage.ts'
import { MemoryStorage } from './memory-storage.ts'

const clock = new SteppedClock()
const signal = new AbortController().signal
const FILES = { db: randomBytes(60_000), other: randomBytes(30_000) }
const LATER = { ...FILES, late: randomBytes(20_000) }

/** A repository of two snapshots and another one with copies of them, new for each test, to be damaged. */
export class Damageable {
  readonly files = { first: FILES, second: LATER }
  first!: Snapshot
  second!: Snapshot
  memory!: MemoryStorage
  storage!: FaultyStorage
  repository!: Repository
  /** Blobs that were taken from the other one. */
  taken = 0
  #base!: MemoryStorage
  #farBase!: MemoryStorage
  #far!: Repository

  constructor() {
    beforeAll(() => this.#make())
    beforeEach(async () => {
      this.taken = 0
      await this.renew()
      this.#far = await openRepository(await copyStorage(this.#farBase), engineOptions(clock))
    })
    afterEach(async () => {
      await Promise.all([this.repository.close(), this.#far.close()])
    })
  }

  /** As it was at first. */
  async renew(): Promise<void> {
    this.memory = await copyStorage(this.#base)
    this.storage = new FaultyStorage(this.memory)
    this.repository = await openRepository(this.storage, engineOptions(clock))
  }

  helpers(): Helper[] {
    const onTaken = (blobs: number): void => {
      this.taken += blobs
    }
    return [{ open: async () => this.#far, onTaken }]
  }

  /** As another process. */
  async reopen(): Promise<void> {
    await this.repository.close()
    this.storage.faults = {}
    this.storage.stopped = false
    this.repository = await openRepository(this.storage, engineOptions(clock))
  }

  /** Damage that a full check finds. */
  async errors(): Promise<Finding[]> {
    const { findings } = await this.repository.check({ readData: 1, signal })
    return findings.filter(({ severity }) => severity === 'error')
  }

  async expectWhole(): Promise<void> {
    await this.reopen()
    deepEqual(await this.errors(), [])
    deepEqual(await readBack(this.repository, this.first), FILES)
    deepEqual(await readBack(this.repository, this.second), LATER)
  }

  /** Repeats it as often as there are changes, each time killed one change later, then lets it end. Returns how many. */
  async killedEverywhere(prepare: () => Promise<void>, repair: () => Promise<unknown>): Promise<number> {
    for (let changes = 0; ; changes++) {
      await this.repository.close()
      await this.renew()
      await prepare()
      this.storage.faults = { stopAfterChanges: changes }
      const killed = await repair().then(
        () => false,
        () => true,
      )
      await this.reopen()
      await this.repository.unlock({ all: true })
      await repair()
      await this.expectWhole()
      if (!killed) return changes
    }
  }

  async #make(): Promise<void> {
    this.#base = new MemoryStorage()
    this.#farBase = new MemoryStorage()
    const made = await createRepository(this.#base, engineOptions(clock))
    this.first = await backUp(made, FILES)
    this.second = await backUp(made, LATER)
    const other = await createRepository(this.#farBase, engineOptions(clock))
    await other.copyFrom(made, [this.first, this.second], { signal })
    await Promise.all([made.close(), other.close()])
    await Promise.all([useCheapKey(this.#base), useCheapKey(this.#farBase)])
  }
}
