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
