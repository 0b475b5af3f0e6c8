/** The machine and the user that a run is of, as restic records them. */
export interface Host {
  readonly hostname: string
  readonly username: string
  readonly uid: number
  readonly gid: number
}
