type Environment = Readonly<Record<string, string | undefined>>

/** What any program needs. Everything else may be a secret, and is passed on by name only. */
const PLAIN =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|GPG_TTY|DBUS_SESSION_BUS_ADDRESS)$|^XDG_/

/** What steers the libraries that the programs of others and of ours are built on; no password is kept in these. */
const LIBRARIES =
  /^(LD_[A-Z_]+|DYLD_[A-Z_]+|KRB5[A-Z0-9_]*|SSL_CERT_(FILE|DIR)|OPENSSL_[A-Z_]+|ICU_DATA|LOCPATH|SQLITE_TMPDIR|MALLOC_[A-Z_]+|(LSAN|UB?SAN|ASAN|TSAN)_OPTIONS|NODE_[A-Z0-9_]+)$/

/** The environment of a program that a person configured: nothing of ours that may be a secret. */
export function plainEnvironment(ours: Environment, pass: readonly string[] = []): Record<string, string> {
  return chosen(ours, name => PLAIN.test(name) || pass.includes(name))
}

/** The environment of a program that we start for our own ends: what plain ones get, and what its libraries need. */
export function toolEnvironment(ours: Environment = process.env): Record<string, string> {
  return chosen(ours, name => PLAIN.test(name) || LIBRARIES.test(name))
}

function chosen(ours: Environment, isGiven: (name: string) => boolean): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(ours)) if (value !== undefined && isGiven(name)) env[name] = value
  return env
}
