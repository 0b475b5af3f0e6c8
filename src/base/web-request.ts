/**
 * As `fetch`, for URLs that people write: it takes none with a login in it, and names that login in what it throws. Throws
 * what was the matter, where `fetch` says no more than that it failed.
 */
export async function webRequest(text: string, init: Omit<RequestInit, 'headers'>): Promise<Response> {
  const url = new URL(text)
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  url.username = ''
  url.password = ''
  const headers = login === ':' ? undefined : { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
  try {
    return await fetch(url, headers === undefined ? init : { ...init, headers })
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    throw cause instanceof Error && cause.message !== '' ? cause : error
  }
}

/** A URL may carry a password or a token. */
export function withoutLogin(text: string): string {
  const url = new URL(text)
  return `${url.origin}${url.pathname}`
}
