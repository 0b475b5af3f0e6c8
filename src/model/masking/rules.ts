import type { Secret } from '../../base/secret.ts'

/**
 * What becomes of one column. `domain` names the values that belong together: equal values of one domain mask equally,
 * in whatever table; by default each kind is a domain of its own, so that a join on e-mail addresses still joins.
 */
export type MaskRule =
  | { readonly kind: 'keep' }
  | { readonly kind: 'null' }
  | { readonly kind: 'fixed'; readonly value: string | number | boolean }
  | { readonly kind: 'sql'; readonly expression: string }
  | { readonly kind: DerivedKind; readonly domain?: string | undefined }

/** Kinds that derive the new value from the old one and the seed. */
export const DERIVED_KINDS = ['hash', 'email', 'name', 'phone', 'text', 'format'] as const
export type DerivedKind = (typeof DERIVED_KINDS)[number]

export interface ColumnRule {
  readonly column: string
  readonly rule: MaskRule
  /** Where it stands, for errors: `mask.yaml:4:12`. */
  readonly at: string
}

export interface TableRules {
  /** As written: `users`, `public.users`. */
  readonly table: string
  readonly at: string
  readonly columns: readonly ColumnRule[]
}

/** A mask file, read: what an adapter needs to mask data on its way to a test copy. */
export interface Mask {
  /** Absolute path of the file. */
  readonly file: string
  readonly seed: Secret
  readonly tables: readonly TableRules[]
  /** An absolute folder in which unmasked data may lie while it is masked; undefined: in memory only. */
  readonly staging?: string | undefined
}

export function isDerived(rule: MaskRule): rule is Extract<MaskRule, { kind: DerivedKind }> {
  return (DERIVED_KINDS as readonly string[]).includes(rule.kind)
}

/** Equal values of one domain mask equally. */
export function domainOf(rule: Extract<MaskRule, { kind: DerivedKind }>): string {
  return rule.domain ?? rule.kind
}

/** As a person wrote it, for errors and reports. */
export function describeRule(rule: MaskRule): string {
  if (rule.kind === 'fixed') return `fixed ${JSON.stringify(rule.value)}`
  if (rule.kind === 'sql') return `sql ${rule.expression}`
  if (isDerived(rule) && rule.domain !== undefined) return `${rule.kind} (domain ${rule.domain})`
  return rule.kind
}
