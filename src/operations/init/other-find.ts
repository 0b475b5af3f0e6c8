/** Something worth protecting that can't be: by this version, or from here. */
export interface OtherFind {
  /** `a PostgreSQL database`. */
  readonly what: string
  /** A later version will. */
  readonly planned: boolean
  /** Where it was found: `DATABASE_URL in .env`, `wrangler.toml`. */
  readonly where: string
}

/** What to do about something that the proposal does not protect. */
export function supportOf({ what, planned }: OtherFind): string {
  if (what.startsWith('a PostgreSQL')) return 'to protect it add a source "kind: postgres" with its url'
  return planned ? 'supported from a later version' : 'not supported'
}
