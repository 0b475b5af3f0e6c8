import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from '../../base/new-file.ts'
import { lifeOf, type Owner } from '../../base/process-life.ts'
import { timeSchema } from '../../model/time-schema.ts'

/** Ticks come every 15 seconds: older than this, the scheduler does not do its work. */
export const LATE_TICK_MS = 5 * 60_000

const FILE = 'serve.json'

const schema = z.object({
  owner: z.object({ hostname: z.string(), pid: z.number(), start: z.string().optional() }),
  startedAt: timeSchema,
  /** Of the last tick that did its work to the end. */
  tickedAt: timeSchema,
  running: z.array(
    z.object({ job: z.string(), run: z.string().nullable(), startedAt: timeSchema, standingMs: z.number() }),
  ),
  /** It was told to end, and did. */
  ended: z.boolean(),
  /** Why the configuration on disk is not the one that is used. */
  refused: z.string().nullable(),
})

/** What "lifeboat serve" says of itself after each tick, for other processes. */
export type Heartbeat = Omit<z.output<typeof schema>, 'owner'> & { readonly owner: Owner }

export async function writeHeartbeat(stateFolder: string, heartbeat: Heartbeat): Promise<void> {
  await replaceFile(join(stateFolder, FILE), `${JSON.stringify(heartbeat)}\n`, 0o600)
}

/** Undefined: none ever ran with this folder, or what it wrote can't be read. */
export async function readHeartbeat(stateFolder: string): Promise<Heartbeat | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(join(stateFolder, FILE), 'utf8')))
  } catch {
    return undefined
  }
}

/** Does it run, and do its work? */
export function isAlive(heartbeat: Heartbeat | undefined, now: Date): boolean {
  if (heartbeat === undefined || heartbeat.ended || lifeOf(heartbeat.owner) === 'gone') return false
  return Math.abs(now.getTime() - heartbeat.tickedAt.getTime()) <= LATE_TICK_MS
}
