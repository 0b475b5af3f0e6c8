import { rm, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { AppError, throwIfAborted } from '../../../base/errors.ts'
import type { Finding } from '../../../model/finding.ts'
import { brokenByMask } from '../../../model/masking/broken.ts'
import type { MaskedColumn } from '../../../model/masking/outcome.ts'
import { maskInvalid, type PlannedColumn, planMask } from '../../../model/masking/plan.ts'
import { describeRule, type Mask } from '../../../model/masking/rules.ts'
import type { TreeNode } from '../../../model/node.ts'
import type { RestoredBytes, RestoreRequest } from '../../source.ts'
import { createPrivate, removePartialSidecars } from '../restore-file.ts'
import type { Target } from '../restore-target.ts'
import type { Session } from '../session.ts'
import type { Lacks, MaskFailure } from './copy-protocol.ts'
import { stageUnmasked } from './staging.ts'

export interface MaskedWriting {
  readonly request: RestoreRequest
  readonly mask: Mask
  readonly target: Target
  readonly node: TreeNode
  readonly session: Session
}

export interface MaskedFile extends RestoredBytes {
  readonly checks: readonly []
  readonly findings: readonly Finding[]
  readonly masked: readonly MaskedColumn[]
  readonly lacks: Lacks
}

/** Writes the masked copy to the target's partial file. When it fails, that file is gone. */
export async function writeMasked(writing: MaskedWriting): Promise<MaskedFile> {
  const { target, node } = writing
  // What lies there may be of a restore without a mask.
  await rm(target.partial, { force: true })
  await removePartialSidecars(target)
  await createPrivate(target.partial)
  try {
    const { outcome, findings, lacks } = await copyMasked(writing)
    const { size } = await stat(target.partial)
    return { totalBytes: node.sizeBytes ?? 0, writtenBytes: size, checks: [], findings, masked: outcome, lacks }
  } catch (error) {
    await rm(target.partial, { force: true })
    throw error
  }
}

async function copyMasked(
  writing: MaskedWriting,
): Promise<{ outcome: MaskedColumn[]; findings: Finding[]; lacks: Lacks }> {
  const { request, mask, target, node, session } = writing
  const staging = await stageUnmasked(mask, node.sizeBytes ?? 0, target.path)
  try {
    await createPrivate(staging.file)
    await request.snapshot.restoreFiles([{ node, path: staging.file, delta: false }])
    throwIfAborted(request.signal)
    const tables = await session.call('openStaged', { staged: staging.file, into: target.partial })
    // From here on the data has no name: whoever dies takes it along.
    await staging.remove()
    const plan = planMask(mask, tables, { foldCase: true })
    const ask = { plan, seed: mask.seed.reveal(), file: basename(mask.file) }
    const copied = await session.call('copyMasked', ask)
    if ('failure' in copied) throw failed(mask, plan, copied.failure)
    const outcome = plan.map(({ table, column, rule, follows }, at) => {
      return { table, column, rule, follows, values: copied.counts[at] ?? 0 }
    })
    return { outcome, findings: [...staging.findings, ...copied.findings], lacks: copied.lacks }
  } finally {
    await staging.remove()
  }
}

function failed(mask: Mask, plan: readonly PlannedColumn[], failure: MaskFailure): AppError {
  const { table, column, message } = failure
  const blamed = plan.find(each => each.table === table && each.column === column)
  if (blamed) {
    const said = `${table}.${blamed.column} cannot be masked with ${describeRule(blamed.rule)}: ${message}`
    return maskInvalid(mask.file, [{ at: blamed.at, message: said }])
  }
  const broken = constraintOf(failure, plan)
  if (broken) return brokenByMask(mask.file, plan, { table, ...broken }, message)
  return new AppError('target-invalid', `cannot make a masked copy of table ${table}: ${message}`, {
    hint: 'Restore without a mask beside it to see whether the database itself is the reason.',
    context: { ...failure },
  })
}

const KEY_FAILED = /^(UNIQUE|NOT NULL) constraint failed: (.+)$/
const CHECK_FAILED = /^CHECK constraint failed: (.+)$/s
const TYPE_FAILED = /^cannot store \w+ value in (\w+) column (.+)$/

/** What SQLite's message is about. */
function constraintOf(
  { table, index, message }: MaskFailure,
  plan: readonly PlannedColumn[],
): { columns: string[]; constraint: string } | undefined {
  const inTable = (name: string): string => (name.startsWith(`${table}.`) ? name.slice(table.length + 1) : name)
  const [, what, list = ''] = KEY_FAILED.exec(message) ?? []
  if (what !== undefined) {
    const expression = list.startsWith('index ')
    const columns = expression ? [] : list.split(', ').map(inTable)
    const name = index ?? (expression ? list.slice('index '.length) : undefined)
    const of = what === 'UNIQUE' && columns.length > 0 ? ` (${columns.join(', ')})` : ''
    return { columns, constraint: `constraint ${name === undefined ? '' : `${name} `}${what}${of}` }
  }
  const [, check] = CHECK_FAILED.exec(message) ?? []
  if (check !== undefined) {
    const words = new Set(check.match(/[\p{L}\p{N}_$]+/gu))
    const columns = plan.filter(each => each.table === table && words.has(each.column)).map(each => each.column)
    return { columns, constraint: `constraint CHECK ${check}` }
  }
  const [, type, name = ''] = TYPE_FAILED.exec(message) ?? []
  if (type !== undefined) return { columns: [inTable(name)], constraint: `the type ${type}` }
  return /datatype mismatch/.test(message)
    ? { columns: [], constraint: 'the type INTEGER of the primary key' }
    : undefined
}
