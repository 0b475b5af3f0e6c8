import { z } from 'zod'

/** The keys of a `sqlite` source in `lifeboat.yaml`. */
export const sqliteOptions = z.object({
  path: z
    .string()
    .min(1, 'the path of a SQLite database file')
    .describe('The database file. Relative to the folder of `lifeboat.yaml`. A symbolic link is followed.'),
})

export type SqliteOptions = z.infer<typeof sqliteOptions>
