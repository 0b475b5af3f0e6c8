import { z } from 'zod'
import { AppError } from '../../base/errors.ts'
import type { SourceDefinition } from '../../sources/source.ts'

/** An option of a restore that sources of some kinds have, as a person types it. */
export interface OwnOption {
  /** As in `RestoreWish.own`. */
  readonly key: string
  /** `--tablespace` */
  readonly flag: string
  readonly value: 'none' | 'text' | 'texts'
  readonly placeholder: string
  readonly description: string
  readonly kinds: readonly string[]
  /** It says which moment is meant. */
  readonly isMoment: boolean
}

type Kinds = readonly Pick<SourceDefinition, 'kind' | 'restoreOptions' | 'moment'>[]

/** Each option that the definitions declare, once. */
export function listOwnOptions(kinds: Kinds): OwnOption[] {
  const found = new Map<string, OwnOption>()
  for (const { kind, restoreOptions, moment } of kinds) {
    for (const [options, isMoment] of [[restoreOptions, false] as const, [moment?.options, true] as const]) {
      for (const [key, field] of Object.entries(fieldsOf(options))) {
        const before = found.get(key)
        const option = { ...optionOf(key, field), kinds: [...(before?.kinds ?? []), kind], isMoment }
        found.set(key, option)
      }
    }
  }
  return [...found.values()]
}

type Field = Readonly<Record<string, unknown>>

function fieldsOf(options: z.ZodObject | undefined): Readonly<Record<string, Field>> {
  if (options === undefined) return {}
  return (z.toJSONSchema(options, { io: 'input' }).properties ?? {}) as Readonly<Record<string, Field>>
}

function optionOf(key: string, { type, description, placeholder }: Field): Omit<OwnOption, 'kinds' | 'isMoment'> {
  return {
    key,
    flag: `--${key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`,
    value: type === 'boolean' ? 'none' : type === 'array' ? 'texts' : 'text',
    placeholder: typeof placeholder === 'string' ? placeholder : key,
    description: String(description),
  }
}

/** Throws `usage` for what sources of this kind are not told, or not so. */
export function requireOwn(
  { kind, restoreOptions, moment }: Kinds[number],
  own: Readonly<Record<string, unknown>>,
  { isMoment, kinds }: { readonly isMoment: boolean; readonly kinds: Kinds },
): void {
  const options = (isMoment ? moment?.options : restoreOptions) ?? z.strictObject({})
  const issue = options.safeParse(own).error?.issues[0]
  if (issue === undefined) return
  const known = listOwnOptions(kinds)
  const key = issue.code === 'unrecognized_keys' ? issue.keys[0] : String(issue.path[0])
  const option = known.find(each => each.key === key)
  if (option === undefined) throw new AppError('usage', `a restore has no option ${key}`)
  if (issue.code !== 'unrecognized_keys') {
    throw new AppError('usage', `${option.flag} cannot be ${JSON.stringify(own[option.key])}`, {
      hint: `Give ${issue.message}.`,
    })
  }
  throw new AppError('usage', `${option.flag} does not fit a source of kind ${kind}`, {
    hint: `Sources of kind ${option.kinds.join(', ')} have it.`,
  })
}
