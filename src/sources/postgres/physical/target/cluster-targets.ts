import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../../../../base/durable.ts'
import { isAppError, systemCode } from '../../../../base/errors.ts'
import { isPostgresUrl } from '../../../../clients/postgres/index.ts'
import type { Finding } from '../../../../model/finding.ts'
import { isEmpty } from '../../../beside/marker.ts'
import { keptPathOf, partialOf, replacedOf } from '../../../beside/names.ts'
import { putKeptBack, settleKeptPath } from '../../../beside/swap.ts'
import type { Kept, KeptRequest, Settled, SwappingTargets, TargetRequest, TargetSurvey } from '../../../target.ts'
import { measureFolder, obstaclesBeside, placeOf } from '../../../target-place.ts'
import { textProperty } from '../cluster-properties.ts'
import { CONTROL_FILE, readSystemIdentifier } from '../control-file.ts'
import { listTablespaces, removeCluster } from '../restore/tablespace-places.ts'
import { marker, requireStopped, targetError } from './restore-target.ts'

/** Data directories that a restore replaces. */
export const clusterTargets: SwappingTargets = {
  survey,
  putBack,
  dropKept,
  // A server that merely ran has written files.
  writtenSince: () => Promise.resolve(undefined),
  remove,
  settle,
}

async function putBack(request: KeptRequest & { readonly keepNowAs?: string | undefined }): Promise<readonly Kept[]> {
  const path = await placeOf(request.target)
  const place = keptPathOf(path, request.keptAs)
  await requireStopped(path)
  await requireStopped(place.kept)
  const { keepNowAs } = request
  const aside = keepNowAs === undefined ? replacedOf(path) : keptPathOf(path, keepNowAs).kept
  try {
    await putKeptBack(place, aside)
    if (keepNowAs !== undefined) return [{ target: path, kept: aside }]
    await removeCluster(aside, [path])
    return []
  } catch (error) {
    throw isAppError(error) ? error : targetError(path, error)
  }
}

async function dropKept(request: KeptRequest): Promise<void> {
  const path = await placeOf(request.target)
  const { kept } = keptPathOf(path, request.keptAs)
  await requireStopped(kept)
  await removeCluster(kept, [path])
  await removeCluster(replacedOf(path), [path])
  await syncFolder(dirname(path)).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error
  })
}

async function remove({ target }: TargetRequest): Promise<void> {
  const path = await placeOf(target)
  await requireStopped(path)
  await removeCluster(path, [])
}

async function settle(request: KeptRequest): Promise<Settled> {
  const path = await placeOf(request.target)
  const place = keptPathOf(path, request.keptAs)
  const state = await settleKeptPath(place)
  // What `putBack` had taken away when it was killed.
  await removeCluster(replacedOf(path), [path, place.kept])
  if ((await marker.read(path)) !== undefined) return { state: 'half-written', kept: [] }
  return { state, kept: state === 'finished' ? [{ target: path, kept: place.kept }] : [] }
}

async function survey(request: TargetRequest): Promise<TargetSurvey> {
  if (isPostgresUrl(request.target)) return { place: 'a server', exists: false, findings: [noServer()] }
  const place = await placeOf(request.target)
  const found = await stat(place).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw targetError(place, error)
    return undefined
  })
  const inPlace = request.delta === true && found !== undefined
  const findings = inPlace ? [] : await obstaclesBeside(place, request.coming?.sizeBytes, found !== undefined)
  if (found === undefined) return { place, exists: false, findings }
  if (!found.isDirectory()) {
    const finding = error('target-invalid', place, 'it is not a folder', 'Choose a folder with --to.')
    return { place, exists: true, findings: [...findings, finding] }
  }
  if (isEmpty(await listNames(place))) return { place, exists: false, findings }
  findings.push(...(await useFindings(place)), ...(await identityFindings(place, request)))
  if (!inPlace) findings.push(...(await swapFindings(place, found.dev)))
  const version = await readVersion(place)
  const control = await stat(join(place, CONTROL_FILE)).catch(() => undefined)
  return {
    place,
    exists: true,
    ...(await measure(place, request.signal)),
    modifiedAt: (control ?? found).mtime,
    engineVersion: version === undefined ? undefined : `PostgreSQL ${version}`,
    findings,
  }
}

async function measure(place: string, signal: AbortSignal): Promise<{ files: number; sizeBytes: number }> {
  let files = 0
  let sizeBytes = 0
  for (const folder of [place, ...(await listTablespaces(place).catch(() => []))]) {
    const found = await measureFolder(folder, signal)
    files += found.files
    sizeBytes += found.sizeBytes
  }
  return { files, sizeBytes }
}

async function useFindings(place: string): Promise<Finding[]> {
  try {
    await requireStopped(place)
    return []
  } catch (reason) {
    if (!isAppError(reason)) throw reason
    return [error(reason.code, place, reason.message, reason.hint)]
  }
}

/** Only a copy of the same cluster is replaced: a folder with anything else in it was named by mistake. */
async function identityFindings(place: string, { coming }: TargetRequest): Promise<Finding[]> {
  const left = await marker.read(place)
  const findings: Finding[] = []
  if (left !== undefined) {
    const message = `it is half-written: a restore of snapshot ${left.snapshot.slice(0, 8)} was interrupted`
    findings.push({ severity: 'info', code: 'target-half-written', subject: place, message })
  }
  const wanted = textProperty(coming?.manifest, 'systemIdentifier')
  const there = left?.systemIdentifier ?? (await readSystemIdentifier(place).catch(() => undefined))
  if (there !== undefined && (wanted === undefined || wanted === there)) return findings
  const version = await readVersion(place)
  const what =
    there === undefined
      ? 'something that is no data directory'
      : `another cluster (${there}, PostgreSQL ${version ?? '?'})`
  const hint = 'It is not overwritten. Move it away, or choose a new folder with --to.'
  return [...findings, error('target-other-cluster', place, `it holds ${what}`, hint)]
}

async function swapFindings(place: string, device: number): Promise<Finding[]> {
  const findings: Finding[] = []
  const parent = await stat(dirname(place))
  if (parent.dev !== device) {
    const hint = 'Leave --no-delta out, so that it is rewritten in place.'
    findings.push(error('target-not-writable', place, 'it is a mount point: no other folder can take its place', hint))
  }
  const partial = partialOf(place)
  if (!isEmpty(await listNames(partial))) {
    const message = `an interrupted restore left ${partial}: it is gone on with, or can be removed`
    findings.push({ severity: 'info', code: 'restore-unfinished', subject: place, message })
  }
  return findings
}

async function readVersion(place: string): Promise<string | undefined> {
  const text = await readFile(join(place, 'PG_VERSION'), 'utf8').catch(() => undefined)
  return text?.trim()
}

async function listNames(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}

function noServer(): Finding {
  const hint = 'Name a folder with --to; single databases come from "kind: postgres".'
  return error('target-invalid', 'target', 'a cluster is restored to a folder, not to a server', hint)
}

function error(code: string, subject: string, message: string, hint: string | undefined): Finding {
  return { severity: 'error', code, subject, message, ...(hint === undefined ? {} : { hint }) }
}
