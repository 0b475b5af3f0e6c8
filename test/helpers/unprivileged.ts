import { execFileSync } from 'node:child_process'

/** "nobody" on Debian; any number without privileges does. */
const NOBODY = 65_534

/**
 * Runs `work` as a user who may only do what permissions say: as we are, or, where we are root, as nobody, who first
 * gets everything below `dir`.
 */
export async function withoutPrivileges(dir: string, work: () => Promise<void>): Promise<void> {
  const { geteuid, seteuid, setegid } = process
  if (geteuid?.() !== 0 || seteuid === undefined || setegid === undefined) return await work()
  execFileSync('chown', ['-R', '-h', `${NOBODY}:${NOBODY}`, dir])
  setegid(NOBODY)
  seteuid(NOBODY)
  try {
    await work()
  } finally {
    seteuid(0)
    setegid(0)
  }
}
