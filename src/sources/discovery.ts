/** What surrounds an application, for adapters that look for something worth protecting. */
export interface Surroundings {
  /** The application's folder. Absolute. */
  readonly folder: string
  readonly signal: AbortSignal
  /** Databases that the environment, `.env` files and a Prisma schema name. */
  readonly databases: readonly NamedDatabase[]
  /** What a compose file starts. */
  readonly services: readonly NamedService[]
}

export interface NamedDatabase {
  /** In small letters: `postgres`, `file`. */
  readonly scheme: string
  /** What follows the scheme and its colon, which may hold a password; undefined where only the scheme is known. */
  readonly rest: string | undefined
  /** The variable that holds it. */
  readonly variable?: string | undefined
  /** For people: `DATABASE_URL in .env`. */
  readonly where: string
  /** Folders that a relative path in it may be relative to, relative to the application's. */
  readonly relativeTo: readonly string[]
}

export interface NamedService {
  readonly image: string
  /** For people: `service db in compose.yaml`. */
  readonly where: string
}

/** What an adapter found. Values of variables never get in here. */
export interface Found {
  readonly sources: readonly FoundSource[]
  /** What can't be proposed as a source, and how a person can protect it. */
  readonly others?: readonly FoundOther[] | undefined
  /** Folders that were not looked into, relative to the folder. */
  readonly passedOver?: readonly string[] | undefined
}

export interface FoundSource {
  /** Wanted; another one is found where it is taken. */
  readonly name: string
  /** `a SQLite database` */
  readonly why: string
  /** Its keys in the configuration, `kind` left out. Paths are relative to the folder, with `./` in front. */
  readonly options: Readonly<Record<string, string>>
  /** The variable that an option is to be filled in from, as `${DATABASE_URL}`. */
  readonly variable?: string | undefined
}

export interface FoundOther {
  /** `a PostgreSQL server` */
  readonly what: string
  readonly where: string
  /** `to protect it add a source ...` */
  readonly advice: string
}
