import { testObjectLocks } from '../../../test/contracts/object-locks-contract.ts'
import { adapterContext } from '../../../test/helpers/adapter-context.ts'
import { startGcsLocksServer } from '../../../test/helpers/gcs-locks-server.ts'
import { gcs } from './index.ts'

testObjectLocks({
  start: startGcsLocksServer,
  open: async ({ origin }, lock) => {
    const make = await gcs.load()
    const context = adapterContext({ STORAGE_EMULATOR_HOST: origin })
    return await make('gs:backups:/shop', gcs.options.parse({ lock }), context)
  },
})
