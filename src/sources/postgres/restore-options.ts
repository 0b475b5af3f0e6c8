import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import type { MomentPart } from '../source.ts'

/** What a restore of databases may be told beside what all are told. */
export const databaseRestoreOptions = z.strictObject({
  roles: z.boolean().optional().meta({ description: 'create missing database roles as they were' }),
})

const TABLESPACE = /^(.+)=([^=]+)$/s

/** What a restore of a cluster may be told beside what all are told. */
export const clusterRestoreOptions = z.strictObject({
  tablespace: z
    .array(z.string().regex(TABLESPACE, 'OID=/new/path or /old/path=/new/path'))
    .optional()
    .meta({ description: 'restore a tablespace, by OID or old path, to this path', placeholder: 'oid=path' }),
  start: z.boolean().optional().meta({ description: 'start a server on the restored cluster, on a free port' }),
})

/** Where tablespaces shall be, by OID or by the path they had. Relative paths are of the working directory. */
export function tablespacesOf(own: unknown): ReadonlyMap<string, string> {
  const { tablespace = [] } = clusterRestoreOptions.parse(own ?? {})
  return new Map(
    tablespace.map(text => {
      const [, from = '', to = ''] = TABLESPACE.exec(text) ?? []
      return [from, isAbsolute(to) ? to : resolve(to)]
    }),
  )
}

export function startsServer(own: unknown): boolean {
  return clusterRestoreOptions.parse(own ?? {}).start === true
}

export function createsRoles(own: unknown): boolean {
  return databaseRestoreOptions.parse(own ?? {}).roles === true
}

/** How the moment is told that a cluster is recovered to, beside by its time. */
export const clusterMomentOptions = z.strictObject({
  lsn: z
    .string()
    .optional()
    .meta({ description: 'recover to this WAL position, like 0/3000028', placeholder: 'position' }),
  xid: z
    .string()
    .regex(/^\d{1,19}$/, 'the number that pg_current_xact_id() returned')
    .optional()
    .meta({ description: 'recover to just after this transaction', placeholder: 'number' }),
  name: z.string().optional().meta({ description: 'recover to this restore point' }),
  immediate: z.boolean().optional().meta({ description: 'recover only until it is consistent' }),
  exclusive: z.boolean().optional().meta({ description: 'stop just before that point, not just after it' }),
  timeline: z
    .string()
    .regex(/^(latest|current|[1-9]\d*)$/, 'a number, current or latest')
    .optional()
    .meta({ description: 'follow this timeline: a number, current or latest (default: latest)' }),
})

export function momentPartOf(told: unknown): MomentPart {
  const { lsn, xid, name, immediate, exclusive, timeline } = clusterMomentOptions.parse(told)
  const targets: MomentPart['targets'] = [
    ...(lsn === undefined ? [] : [{ kind: 'position', position: lsn } as const]),
    ...(xid === undefined ? [] : [{ kind: 'transaction', transaction: xid } as const]),
    ...(name === undefined ? [] : [{ kind: 'name', name } as const]),
    ...(immediate === true ? [{ kind: 'immediate' } as const] : []),
  ]
  return { targets, branch: timeline, inclusive: exclusive === true ? false : undefined }
}
