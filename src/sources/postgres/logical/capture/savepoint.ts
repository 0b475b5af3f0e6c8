import { AppError } from '../../../../base/errors.ts'
import type { Session } from '../../../../clients/postgres/index.ts'

const NAME = 'lifeboat_try'

/** In an open transaction: from here on `tryQuery` can be used, one call at a time. */
export async function beginTry(session: Session): Promise<void> {
  await session.query(`SAVEPOINT ${NAME}`)
}

/**
 * What is asked may fail, and the transaction lives on. The locks it took are given back either way. Returns the error;
 * throws only when the session itself is lost or was interrupted.
 */
export async function tryQuery<T>(session: Session, work: () => Promise<T>): Promise<T | AppError> {
  const result = await work().catch((error: unknown) => {
    if (!(error instanceof AppError) || error.code === 'interrupted' || session.broken) throw error
    return error
  })
  await session.query(`ROLLBACK TO SAVEPOINT ${NAME}`)
  return result
}
