import { isAppError, messageOf } from '../../base/errors.ts'
import { formatSize } from '../../base/sizes.ts'
import type { Finding } from '../../model/finding.ts'
import { isPart, type Manifest } from '../../model/manifest.ts'
import type { ComparedTable } from '../../model/row-comparison.ts'
import type { Contents, Snapshot } from '../../repository/index.ts'
import type { DatabaseSelection, Source, SourceContext, TargetSurvey } from '../../sources/source.ts'
import { selectsTable } from './account.ts'
import { URL_FORM } from './reserved.ts'
import { openSnapshotReader } from './snapshot-reader.ts'

/** Up to this size on both sides, rows are compared before a restore: whoever waits for the question waits for this. */
export const COMPARED_BYTES = 64 * 1024 * 1024
/** A repository far away, a server at work: then counts must do. */
const PATIENCE_MS = 10_000

export interface AccountRowsRequest extends SourceContext {
  readonly contents: Contents
  readonly snapshot: Snapshot
  readonly manifest: Manifest | undefined
  readonly source: Source
  readonly target: string
  readonly survey: TargetSurvey
  readonly selection?: DatabaseSelection | undefined
}

export interface AccountRows {
  /** Undefined: rows were only counted. */
  readonly tables: readonly ComparedTable[] | undefined
  /** Why, where they could have been compared. */
  readonly findings: readonly Finding[]
}

const NOT_COMPARED: AccountRows = { tables: undefined, findings: [] }

/** The rows at the target and those that would come, compared where that is a moment's work. Changes nothing. */
export async function compareAccount(request: AccountRowsRequest): Promise<AccountRows> {
  const { source, survey, manifest, selection } = request
  const holdsRows = manifest?.database !== undefined && !isPart(manifest.type) && selection?.part !== 'schema'
  if (source.comparing === undefined || survey.tables === undefined || !holdsRows) return NOT_COMPARED
  const bytes = Math.max(survey.sizeBytes ?? 0, manifest.totals.sizeBytes)
  if (bytes > COMPARED_BYTES) return counted(request, `there are ${formatSize(bytes)} to read`)
  const patience = AbortSignal.timeout(PATIENCE_MS)
  const { contents, snapshot, target } = request
  try {
    const signal = AbortSignal.any([request.signal, patience])
    const reader = await openSnapshotReader({ contents, snapshot, signal })
    const tables = await source.comparing.compare({
      ...request,
      signal,
      before: { snapshot: reader },
      // A folder that is named may mean a file in it, which the survey has found.
      after: { target: URL_FORM.test(target) ? target : survey.place },
      databases: selection?.databases,
      selects: name => selectsTable(name, selection),
    })
    return { tables, findings: [] }
  } catch (error) {
    if (request.signal.aborted || !isAppError(error)) throw error
    return counted(request, patience.aborted ? `that takes more than ${PATIENCE_MS / 1000} seconds` : messageOf(error))
  }
}

function counted({ survey, source, snapshot }: AccountRowsRequest, why: string): AccountRows {
  const command = `lifeboat diff ${source.name} ${snapshot.id.slice(0, 8)} now`
  return {
    tables: undefined,
    findings: [
      {
        severity: 'info',
        code: 'rows-not-compared',
        subject: survey.place,
        message: `its rows were counted and not compared: ${why}`,
        hint: `Two equal counts may hide rows that were edited. To compare them: ${command}`,
      },
    ],
  }
}
