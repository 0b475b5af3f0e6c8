import { z } from 'zod'
import { HOOK_NAMES } from '../model/hook.ts'
import { BACKUP_TYPES } from '../model/manifest.ts'
import { PROOF_LEVELS } from '../model/recovery-point.ts'
import { absolutePath, count, findings, repositoryName } from './fields.ts'

/** Of the commands that look at this machine and its configuration. */
export const INSTALLATION_OUTPUTS = {
  'config check': z.strictObject({
    file: absolutePath,
    stateDir: absolutePath,
    repositories: z.array(z.strictObject({ name: repositoryName, url: z.string().describe('without a login') })),
    sources: z.array(
      z.strictObject({ name: z.string(), kind: z.string(), policies: z.array(z.string()).describe('that take it') }),
    ),
    policies: z.array(
      z.strictObject({
        name: z.string(),
        sources: z.array(z.string()),
        repositories: z.array(z.string()),
        schedule: z.string().nullable(),
        timezone: z.string().nullable().describe('null: this machine’s'),
        type: z.enum(BACKUP_TYPES),
        keep: z.array(z.string()).nullable().describe('its rules; null: it keeps all'),
        keepIn: z.record(z.string(), z.array(z.string())).describe('rules in place of them, by repository'),
        verify: z.strictObject({ level: z.enum(PROOF_LEVELS), every: count }).nullable(),
        hooks: z.array(z.enum(HOOK_NAMES)),
      }),
    ),
    findings: findings.describe('what is valid but unwise'),
  }),
  probe: z.strictObject({
    ready: z.boolean(),
    sources: z.array(z.strictObject({ source: z.string(), kind: z.string(), ready: z.boolean(), findings })),
  }),
  doctor: z.strictObject({
    healthy: z.boolean().describe('no check is an error'),
    checks: z.array(
      z.strictObject({
        area: z.enum([
          'versions',
          'tools',
          'configuration',
          'permissions',
          'clock',
          'storage',
          'repository',
          'source',
          'hook',
        ]),
        name: z.string(),
        status: z.enum(['ok', 'info', 'warning', 'error']),
        message: z.string(),
        hint: z.string().optional(),
      }),
    ),
    permissions: z
      .array(z.strictObject({ repository: repositoryName, title: z.string(), text: z.string() }))
      .describe('what gives a login the rights that it needs, as the service of that repository takes it'),
  }),
  completion: z.union([
    z.strictObject({ shell: z.enum(['bash', 'zsh', 'fish']), script: z.string() }),
    z.array(z.string()).describe('with `sources` or `repositories`, which the scripts ask for'),
  ]),
  demo: z.strictObject({
    dir: absolutePath,
    steps: z.array(z.looseObject({ step: z.string() })).describe('what happened, in order'),
  }),
}
