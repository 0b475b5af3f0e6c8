/** Something worth protecting that this version can't. */
export interface OtherFind {
  /** `a PostgreSQL database`. */
  readonly what: string
  /** A later version will. */
  readonly planned: boolean
  /** Where it was found: `DATABASE_URL in .env`, `wrangler.toml`. */
  readonly where: string
}
