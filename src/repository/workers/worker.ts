import { parentPort, workerData } from 'node:worker_threads'
import { Cipher } from '../crypto/cipher.ts'
import { openZstd } from '../crypto/zstd.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { createWorkerState, runJob } from './jobs.ts'
import { packError, type Reply, type Request, type WorkerStart } from './messages.ts'

// The start of a worker thread: one job after the other until the pool ends it.
const { keys, version } = workerData as WorkerStart
const own: KeyMaterial = {
  encrypt: Buffer.from(keys.encrypt),
  macK: Buffer.from(keys.macK),
  macR: Buffer.from(keys.macR),
}
const state = createWorkerState(own, version, new Cipher(own), openZstd())

parentPort?.on('message', ({ id, name, job }: Request) => {
  try {
    const { outcome, transfer } = runJob(name, job as never, state)
    reply({ id, outcome }, transfer as ArrayBuffer[])
  } catch (error) {
    reply({ id, error: packError(error) }, [])
  }
})

function reply(message: Reply, transfer: readonly ArrayBuffer[]): void {
  parentPort?.postMessage(message, transfer)
}
