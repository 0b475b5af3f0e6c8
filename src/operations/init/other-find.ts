/** Something worth protecting that can't be: by this version, or from here. */
export interface OtherFind {
  /** `a PostgreSQL database`. */
  readonly what: string
  /** A later version will. */
  readonly planned: boolean
  /** Where it was found: `DATABASE_URL in .env`, `wrangler.toml`. */
  readonly where: string
  /** The variable that holds the URL of a database that can be protected once it is in the environment. */
  readonly variable?: string
}

/** What to do about something that the proposal does not protect. */
export function supportOf({ what, planned, variable }: OtherFind): string {
  if (variable !== undefined) {
    return `to protect it set ${variable} and add "db: { kind: postgres, url: \${${variable}} }"`
  }
  if (what.startsWith('a PostgreSQL')) return 'to protect it add a source "kind: postgres" with its url'
  return planned ? 'supported from a later version' : 'not supported'
}
