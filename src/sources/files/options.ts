import { z } from 'zod'
import { parseSize } from '../../base/sizes.ts'

export const filesOptions = z.strictObject({
  path: z.string().min(1).describe('The folder (or single file) to protect, relative to the configuration file.'),
  exclude: z
    .array(z.string().min(1))
    .default([])
    .describe(
      'What to leave out, as the lines of a .gitignore at the top of the folder: `*.log`, `node_modules/`, `/tmp`, `!keep.log`.',
    ),
  excludeCaches: z
    .boolean()
    .default(false)
    .describe('Leave out what is in folders marked by a CACHEDIR.TAG file (https://bford.info/cachedir/).'),
  excludeIfPresent: z
    .array(z.string().regex(/^[^/]+$/, 'a file name without "/"'))
    .default([])
    .describe('Leave out what is in folders that hold a file of one of these names, such as `.nobackup`.'),
  excludeLargerThan: z
    .string()
    .refine(text => parseSize(text) !== undefined, 'a size such as "500M" or "2 GiB"')
    .optional()
    .describe('Leave out files bigger than this, such as `500M` or `2 GiB`.'),
  oneFileSystem: z
    .boolean()
    .default(false)
    .describe('Do not go into other file systems that are mounted inside the folder.'),
  extendedAttributes: z
    .boolean()
    .default(true)
    .describe('Capture extended attributes and ACLs too. Needs the tools of the package `attr`.'),
})

export type FilesOptions = z.infer<typeof filesOptions>
