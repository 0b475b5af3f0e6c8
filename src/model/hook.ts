/** What a person runs around an operation, such as to stop an application: a program, without a shell, or an HTTP call. */
export type Hook =
  | {
      readonly command: readonly string[]
      /** Variables of our environment that it gets too. */
      readonly environment?: readonly string[] | undefined
      /** Milliseconds. */
      readonly timeout?: number | undefined
    }
  | { readonly http: string; readonly method?: string | undefined; readonly timeout?: number | undefined }

/** Around an operation; `onFailure` runs last, when anything of it failed. */
export const HOOK_NAMES = ['before', 'after', 'onFailure'] as const
export type HookName = (typeof HOOK_NAMES)[number]
