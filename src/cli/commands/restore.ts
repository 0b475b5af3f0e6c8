import type { Command } from '../command.ts'
import { checkReportOption } from '../reports.ts'
import { RESTORE_OPTIONS } from '../restore/options.ts'
import { ANY, restoreWishOf } from '../restore/wish.ts'

export const restore: Command = {
  name: 'restore',
  summary: 'bring a recovery point back',
  description: [
    'Writes beside the target, checks what was written, then puts it in place in one step. Every byte is checked against its hash. A restore that was interrupted is taken up again by the same command.',
    'Where something is there already, it asks first, on a terminal, and else wants --yes. What is there is made safe before it is changed; "lifeboat undo" puts it back. Whatever fails on the way is taken back at once. A source that is not in the configuration, such as another machine’s, can be restored with --to.',
    'Ends with 3 when all that the recovery point holds came back, but it lacks something of its source. What was not captured is left as it is at the target, and named.',
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
    { command: 'lifeboat restore app latest --to ./restored.db', explains: 'the newest, beside the original' },
    { command: 'lifeboat restore app --dry-run', explains: 'what replacing the database would change' },
    { command: 'lifeboat restore app "2026-09-04 02:00" --yes', explains: 'as it was then, in its place' },
    {
      command: 'lifeboat restore app --strategy merge --dry-run',
      explains: 'what it would add to what is there',
    },
    { command: 'lifeboat restore docs 3f2a --to ./out --include reports', explains: 'one folder of one snapshot' },
    {
      command: 'lifeboat restore shop --to postgres:///shop_test',
      explains: 'a new database on the server of the source',
    },
    { command: 'lifeboat restore shop --table product --yes', explains: 'one table, with all that refers to it' },
    {
      command: 'lifeboat restore cluster --at "2026-09-04 01:59:30" --to /srv/copy --start',
      explains: 'a PostgreSQL cluster as it was at that second, with a server on it',
    },
  ],
  run: async call => {
    await checkReportOption(call)
    const app = await call.openApp()
    const wish = restoreWishOf(call)
    if (wish.strategy === 'merge') {
      const { mergeInto } = await import('../restore/merge.ts')
      return await mergeInto(call, app, wish)
    }
    const { bringBack } = await import('../restore/bring-back.ts')
    return await bringBack(call, app, wish)
  },
}
