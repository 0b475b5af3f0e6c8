import { parentPort, workerData } from 'node:worker_threads'
import { Cipher } from '../crypto/cipher.ts'
import { openZstd } from '../crypto/zstd.ts'
import type { KeyMaterial } from '../format/key-file.ts'
import { JOBS, type JobReply, type JobRequest } from './protocol.ts'
import { ownedBuffers } from './transfer.ts'

const keys = workerData as Record<keyof KeyMaterial, Uint8Array>
const cipher = new Cipher({
  encrypt: Buffer.from(keys.encrypt),
  macK: Buffer.from(keys.macK),
  macR: Buffer.from(keys.macR),
})
const zstd = openZstd()

parentPort?.on('message', ({ call, kind, job }: JobRequest) => {
  let reply: JobReply
  try {
    const outcome = JOBS[kind](job as never, cipher, zstd)
    reply = { call, outcome }
  } catch (error) {
    reply = { call, error }
  }
  parentPort?.postMessage(reply, ownedBuffers('outcome' in reply ? reply.outcome : undefined))
})
