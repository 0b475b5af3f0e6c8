import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Found, Surroundings } from '../discovery.ts'

/** Places where applications commonly put what their users upload. */
const UPLOADS = [
  'uploads',
  'public/uploads',
  'static/uploads',
  'data/uploads',
  'storage/app',
  'storage/uploads',
  'media',
  'public/media',
  'attachments',
  'files',
]

/** Folders of uploads that hold something. */
export async function discoverUploads({ folder }: Surroundings): Promise<Found> {
  const found: string[] = []
  for (const path of UPLOADS) {
    if (found.some(parent => path.startsWith(`${parent}/`))) continue
    if (await hasEntries(join(folder, path))) found.push(path)
  }
  const sources = found.map(path => ({
    name: basename(path) === 'app' ? 'storage' : basename(path),
    why: 'a folder of uploads',
    options: { path: `./${path}` },
  }))
  return { sources }
}

async function hasEntries(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).some(name => name !== '.gitkeep' && name !== '.gitignore')
  } catch {
    return false
  }
}
