/** Something worth protecting that is not proposed as a source. */
export interface OtherFind {
  /** `a MySQL database`. */
  readonly what: string
  /** A later version will. */
  readonly planned: boolean
  /** Where it was found: `DATABASE_URL in .env`, `wrangler.toml`. */
  readonly where: string
  /** How a person can protect it with this version; undefined where nobody can. */
  readonly advice?: string | undefined
}

/** What to do about something that the proposal does not protect. */
export function supportOf({ planned, advice }: OtherFind): string {
  return advice ?? (planned ? 'supported from a later version' : 'not supported')
}
