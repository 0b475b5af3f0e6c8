import type { Found, FoundOther, Surroundings } from '../discovery.ts'

const SCHEMES = new Set(['postgres', 'postgresql'])
const IMAGES = /(^|\/)(postgres|postgis|timescaledb?|pgvector)([:@-]|$)/
const ADVICE = 'to protect it add a source "kind: postgres" with its url'

/** Databases whose URL a variable holds: it is named, and what is in it stays where it is. */
export async function discoverServers({ databases, services }: Surroundings): Promise<Found> {
  const ours = databases.filter(({ scheme }) => SCHEMES.has(scheme))
  const known = ours.filter(({ rest }) => rest !== undefined)
  const variables = new Set(known.flatMap(({ variable }) => variable ?? []))
  const without = (known.length > 0 ? known : ours).filter(({ variable }) => variable === undefined)
  const images = services.filter(({ image }) => IMAGES.test(image))
  const others: FoundOther[] = [
    ...without.map(({ where }) => ({ what: 'a PostgreSQL database', where, advice: ADVICE })),
    ...images.map(({ where }) => ({ what: 'a PostgreSQL server', where, advice: ADVICE })),
  ]
  const sources = [...variables].map(variable => ({
    name: 'db',
    why: 'a PostgreSQL database',
    options: { url: `\${${variable}}` },
    variable,
  }))
  return { sources, others }
}
