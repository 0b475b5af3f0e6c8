import { AppError, throwIfAborted } from '../../base/errors.ts'
import type { HookName } from '../../model/hook.ts'
import { requireHooks, runHook } from '../hooks/run-hook.ts'
import { getPolicy } from '../workspace/names.ts'
import type { RecordedRun } from '../workspace/run.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface HookFailure {
  readonly policy: string
  readonly hook: HookName
  readonly error: AppError
}

interface Begun {
  pointsLeft: number
  /** What went wrong first; `before` that failed keeps the points from being taken. */
  error: AppError | undefined
  readonly isBlocked: boolean
}

/**
 * The hooks of the policies that a backup is taken for, each once: `before` ahead of a policy's first capture, `after`
 * behind its last, so that an application that is stopped for one policy waits neither for the sources of others nor for
 * copies that travel.
 */
export class PolicyHooks {
  readonly failures: HookFailure[] = []
  readonly #workspace: Workspace
  readonly #run: RecordedRun
  readonly #points: ReadonlyMap<string, number>
  readonly #begun = new Map<string, Begun>()

  /** @param points how many recovery points are taken for each policy */
  constructor(workspace: Workspace, run: RecordedRun, points: ReadonlyMap<string, number>) {
    this.#workspace = workspace
    this.#run = run
    this.#points = points
  }

  /** What keeps a point for these policies from being taken: `before` of one of them failed. */
  async begin(policies: readonly string[]): Promise<AppError | undefined> {
    for (const policy of policies) if (!this.#begun.has(policy)) await this.#begin(policy)
    return policies.map(policy => this.#begun.get(policy)).find(each => each?.isBlocked)?.error
  }

  /** A capture for these policies has ended. */
  async end(policies: readonly string[], error: AppError | undefined): Promise<void> {
    for (const policy of policies) {
      const begun = this.#begun.get(policy)
      if (begun === undefined) continue
      begun.error ??= error
      begun.pointsLeft--
      if (begun.pointsLeft === 0) await this.#finish(policy, begun)
    }
  }

  /** What was captured for these policies is not in all their repositories. Somebody is told of it once. */
  async fellBehind(policies: readonly string[], error: AppError): Promise<void> {
    for (const policy of policies) {
      const begun = this.#begun.get(policy)
      if (begun === undefined || begun.error !== undefined) continue
      begun.error = error
      await this.#try(policy, 'onFailure', new AbortController().signal, error)
    }
  }

  /** The backup ends before its captures do: what was stopped is started again all the same. */
  async breakOff(error: unknown): Promise<void> {
    const why = error instanceof AppError ? error : new AppError('failed', 'the backup broke off', { cause: error })
    for (const [policy, begun] of this.#begun) {
      if (begun.pointsLeft === 0) continue
      begun.error ??= why
      begun.pointsLeft = 0
      await this.#finish(policy, begun)
    }
  }

  async #begin(policy: string): Promise<void> {
    // What `before` has not stopped must not be started.
    throwIfAborted(this.#run.signal)
    const pointsLeft = this.#points.get(policy) ?? 0
    // Known from now on: interrupted, `before` may have stopped what `after` starts.
    const begun: Begun = { pointsLeft, error: undefined, isBlocked: false }
    this.#begun.set(policy, begun)
    const error = await this.#try(policy, 'before', this.#run.signal)
    if (error !== undefined) this.#begun.set(policy, { pointsLeft, error, isBlocked: true })
  }

  /** An interruption does not end these hooks: their own time limits do, and a second Ctrl-C. */
  async #finish(policy: string, begun: Begun): Promise<void> {
    const { signal } = new AbortController()
    if (!begun.isBlocked) {
      const error = await this.#try(policy, 'after', signal)
      begun.error ??= error
    }
    if (begun.error !== undefined) await this.#try(policy, 'onFailure', signal, begun.error)
  }

  async #try(policy: string, hook: HookName, signal: AbortSignal, why?: AppError): Promise<AppError | undefined> {
    const { before, after, onFailure } = getPolicy(this.#workspace, policy)
    const hooks = { before, after, onFailure, owner: `policy ${policy}`, place: this.#workspace.commandPlace }
    if (hooks[hook] === undefined) return undefined
    const environment = {
      LIFEBOAT_POLICY: policy,
      LIFEBOAT_RUN: this.#run.id,
      ...(why === undefined ? {} : { LIFEBOAT_ERROR: why.message }),
    }
    try {
      await this.#run.attempt(
        { operation: `hook ${hook}`, source: undefined, repository: undefined },
        async () => {
          if (hook === 'before') await requireHooks(hooks)
          await runHook(hook, hooks, { signal, logger: this.#run.logger, environment })
        },
        () => ({ outcome: 'done', statistics: {}, findings: [] }),
      )
      return undefined
    } catch (error) {
      if (!(error instanceof AppError) || error.code === 'interrupted') throw error
      this.failures.push({ policy, hook, error })
      return error
    }
  }
}
