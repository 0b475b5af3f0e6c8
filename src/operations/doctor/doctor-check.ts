/** One thing that was looked at. */
export interface DoctorCheck {
  readonly area:
    | 'versions'
    | 'tools'
    | 'configuration'
    | 'permissions'
    | 'clock'
    | 'storage'
    | 'repository'
    | 'source'
    | 'hook'
  readonly name: string
  /** `info` is worth knowing only. */
  readonly status: 'ok' | 'info' | 'warning' | 'error'
  readonly message: string
  readonly hint?: string
}
