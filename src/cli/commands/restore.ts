import type { Printed } from '../../outputs/outputs.ts'
import type { Command } from '../command.ts'
import { checkReportOption } from '../reports.ts'
import { RESTORE_OPTIONS } from '../restore/options.ts'
import { ANY, restoreWishOf } from '../restore/wish.ts'

export const restore: Command<Printed<'restore'>> = {
  name: 'restore',
  summary: 'restore a recovery point',
  description: [
    'Writes next to the target, checks the result, then puts it in place in one step. Every byte is checked against its hash. To resume an interrupted restore, run the same command again.',
    'If the target exists, asks first, or needs --yes when there is no terminal. Backs up what is there before changing it; "lifeboat undo" brings it back. If anything fails, the target is put back at once. With --to, sources that are not in the configuration can be restored too, such as those of another machine.',
    'Exits with 3 if everything in the recovery point was restored, but the recovery point itself is incomplete. What was never captured is left as it is at the target, and named.',
  ],
  arguments: [
    {
      name: 'source',
      summary: `name of the source; "${ANY}" for a snapshot of another program`,
      required: true,
      complete: 'sources',
    },
    { name: 'snapshot', summary: 'latest (default), a time like "3h ago", or an id', complete: ['latest'] },
  ],
  options: RESTORE_OPTIONS,
  examples: [
    { command: 'lifeboat restore app latest --to ./restored.db', explains: 'the newest, next to the original' },
    { command: 'lifeboat restore app --dry-run', explains: 'show what restoring over the database would change' },
    { command: 'lifeboat restore app "2026-09-04 02:00" --yes', explains: 'the database as it was then, in place' },
    {
      command: 'lifeboat restore app --strategy merge --dry-run',
      explains: 'show what it would add to the existing data',
    },
    {
      command: 'lifeboat restore app --from offsite:latest --to ./restored.db',
      explains: 'the newest in one repository',
    },
    { command: 'lifeboat restore docs --at "2026-09-04 02:00"', explains: 'the newest at or before that time' },
    { command: 'lifeboat restore docs 3f2a --to ./out --include reports', explains: 'one folder from one snapshot' },
    {
      command: 'lifeboat restore docs --include reports --delete --dry-run',
      explains: 'what would go from that folder, because the recovery point has not got it',
    },
    {
      command: 'lifeboat restore shop --to postgres:///shop_test',
      explains: 'into a new database on the same server',
    },
    {
      command: 'lifeboat restore shop --table product --yes',
      explains: 'one table, keeping everything that refers to it',
    },
    {
      command: 'lifeboat restore cluster --at "2026-09-04 01:59:30" --to /srv/copy --start',
      explains: 'a PostgreSQL cluster as of that second, with a server running on it',
    },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const wish = restoreWishOf(call, app)
    if (wish.strategy === 'merge') {
      const { mergeInto } = await import('../restore/merge.ts')
      return await mergeInto(call, app, wish)
    }
    const { bringBack } = await import('../restore/bring-back.ts')
    return await bringBack(call, app, wish)
  },
}
