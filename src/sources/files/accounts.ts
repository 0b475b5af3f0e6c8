import { readFile } from 'node:fs/promises'

/** Names of users and groups by their numbers, as far as the local files tell. */
export interface Accounts {
  readonly users: ReadonlyMap<number, string>
  readonly groups: ReadonlyMap<number, string>
}

export async function loadAccounts(): Promise<Accounts> {
  return { users: await loadNames('/etc/passwd'), groups: await loadNames('/etc/group') }
}

/** Both files have the name in their first and the number in their third field. The first line of a number wins. */
async function loadNames(path: string): Promise<Map<number, string>> {
  const names = new Map<number, string>()
  // Without the file there are numbers only, which is what a restore uses anyway.
  const text = await readFile(path, 'utf8').catch(() => '')
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':')
    if (!name || !id || !/^\d+$/.test(id)) continue
    if (!names.has(Number(id))) names.set(Number(id), name)
  }
  return names
}
