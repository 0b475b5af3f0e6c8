/** `linux x64 (glibc 2.36)`, `linux x64 (musl)`, `darwin arm64`. */
export function thisSystem(): string {
  const { platform, arch } = process
  return platform === 'linux' ? `${platform} ${arch} (${cLibrary()})` : `${platform} ${arch}`
}

function cLibrary(): string {
  const report: unknown = process.report.getReport()
  const header = (report as { readonly header?: { readonly glibcVersionRuntime?: string } }).header
  return header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
}
