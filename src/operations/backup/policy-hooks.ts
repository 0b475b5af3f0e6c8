import { AppError } from '../../base/errors.ts'
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
  copiesLeft: number
  /** What went wrong first; `before` that failed keeps the copies from being made. */
  error: AppError | undefined
  readonly isBlocked: boolean
}

/**
 * The hooks of the policies that a backup is taken for, each once: `before` ahead of a policy's first copy, `after` behind
 * its last, so that an application that is stopped for one policy need not wait for the copies of others.
 */
export class PolicyHooks {
  readonly failures: HookFailure[] = []
  readonly #workspace: Workspace
  readonly #run: RecordedRun
  readonly #copies: ReadonlyMap<string, number>
  readonly #begun = new Map<string, Begun>()

  /** @param copies how many copies are taken for each policy */
  constructor(workspace: Workspace, run: RecordedRun, copies: ReadonlyMap<string, number>) {
    this.#workspace = workspace
    this.#run = run
    this.#copies = copies
  }

  /** What keeps a copy for these policies from being made: `before` of one of them failed. */
  async begin(policies: readonly string[]): Promise<AppError | undefined> {
    for (const policy of policies) if (!this.#begun.has(policy)) await this.#begin(policy)
    return policies.map(policy => this.#begun.get(policy)).find(each => each?.isBlocked)?.error
  }

  /** A copy for these policies has ended. */
  async end(policies: readonly string[], error: AppError | undefined): Promise<void> {
    for (const policy of policies) {
      const begun = this.#begun.get(policy)
      if (begun === undefined) continue
      begun.error ??= error
      begun.copiesLeft--
      if (begun.copiesLeft === 0) await this.#finish(policy, begun)
    }
  }

  /** The backup ends before its copies do: what was stopped is started again all the same. */
  async breakOff(error: unknown): Promise<void> {
    const why = error instanceof AppError ? error : new AppError('failed', 'the backup broke off', { cause: error })
    for (const [policy, begun] of this.#begun) {
      if (begun.copiesLeft === 0) continue
      begun.error ??= why
      begun.copiesLeft = 0
      await this.#finish(policy, begun)
    }
  }

  async #begin(policy: string): Promise<void> {
    const copiesLeft = this.#copies.get(policy) ?? 0
    // Known from now on: interrupted, `before` may have stopped what `after` starts.
    const begun: Begun = { copiesLeft, error: undefined, isBlocked: false }
    this.#begun.set(policy, begun)
    const error = await this.#try(policy, 'before', this.#run.signal)
    if (error !== undefined) this.#begun.set(policy, { copiesLeft, error, isBlocked: true })
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
