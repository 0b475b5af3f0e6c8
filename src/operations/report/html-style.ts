import { Html } from './html.ts'

/** The page's style. Contrast is at least 4.5:1 in light and dark; what a colour says, a word or a sign says too. */
export const STYLE = new Html(`
:root {
  --page: #f3f5f7; --card: #ffffff; --text: #1b2430; --faint: #566373; --line: #dde3ea; --code: #eef2f6; --bar: #3b6fb6;
  --good: #12703f; --good-back: #e4f5ea; --care: #8a5300; --care-back: #fff3d9; --bad: #b3211c; --bad-back: #fde8e6;
  --plan: #2a5ca8; --plan-back: #e6effb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161c; --card: #1a2129; --text: #e6ebf1; --faint: #9dabbb; --line: #2d3742; --code: #242d37; --bar: #6ea3ea;
    --good: #6fd39a; --good-back: #15301f; --care: #f0b958; --care-back: #372a10; --bad: #ff8f87; --bad-back: #3d1a18;
    --plan: #8ab8f5; --plan-back: #172a44;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 2.5rem; display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
h1, h2, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin-bottom: .75rem; }
code { font: .92em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
header, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.25rem; }
header { display: flex; gap: 1.1rem; align-items: flex-start; border-width: 1px 1px 1px 8px; }
header > div { min-width: 0; }
header .icon { width: 3.25rem; height: 3.25rem; margin-top: .2rem; }
.badge { font-weight: 700; text-transform: uppercase; letter-spacing: .07em; font-size: .85rem; }
.verdict { font-size: 1.15rem; margin-top: .35rem; overflow-wrap: anywhere; }
.when { color: var(--faint); margin-top: .35rem; font-size: .95rem; }
.icon { flex: none; width: 1.25rem; height: 1.25rem; vertical-align: -.25em; }
.icon circle { fill: currentColor; }
.icon path { fill: none; stroke: var(--card); stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
header.good { border-color: var(--good); background: var(--good-back); } .good > .icon, .good .badge, th > .icon, .summary.good { color: var(--good); }
header.care { border-color: var(--care); background: var(--care-back); } .care > .icon, .care .badge { color: var(--care); }
header.bad { border-color: var(--bad); background: var(--bad-back); } .bad > .icon, .bad .badge, .bad th > .icon, .summary.bad { color: var(--bad); }
header.plan { border-color: var(--plan); background: var(--plan-back); } .plan > .icon, .plan .badge { color: var(--plan); }
.notes { display: grid; gap: .75rem; }
.notes li { display: flex; gap: .7rem; }
.notes li > div { min-width: 0; overflow-wrap: anywhere; }
.notes .icon { margin-top: .15rem; }
.hint { color: var(--faint); }
.next { display: grid; gap: .9rem; }
.command { display: block; background: var(--code); border: 1px solid var(--line); border-radius: 8px; padding: .55rem .8rem; font-size: 1rem; white-space: pre-wrap; user-select: all; -webkit-user-select: all; }
.next p { color: var(--faint); margin-top: .3rem; }
dl > div { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: 1rem; padding: .4rem 0; border-top: 1px solid var(--line); }
dl > div:first-child { border-top: 0; padding-top: 0; }
dt { color: var(--faint); }
dd { overflow-wrap: anywhere; }
.steps { display: grid; gap: .65rem; }
.steps li { display: grid; grid-template-columns: minmax(0, 17rem) minmax(0, 1fr) 6rem; gap: 0 1rem; align-items: center; }
.steps svg { display: block; width: 100%; height: .8rem; border-radius: 4px; }
.steps .track { fill: var(--code); }
.steps .bar { fill: var(--bar); }
.steps .failed .bar { fill: var(--bad); }
.steps em { font-style: normal; font-weight: 600; color: var(--faint); }
.steps .failed em { color: var(--bad); }
.steps .skipped .name { color: var(--faint); }
.steps .name { overflow-wrap: anywhere; }
.steps .time { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.steps .detail { grid-column: 1 / -1; color: var(--faint); font-size: .92rem; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th, td { text-align: left; vertical-align: top; padding: .38rem 1rem .38rem 0; border-top: 1px solid var(--line); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; min-width: 4.5rem; }
th:last-child, td:last-child { padding-right: 0; }
thead th { white-space: nowrap; border-top: 0; color: var(--faint); font-weight: 600; padding-top: 0; }
tbody th { font-weight: 400; }
.checks tbody th { min-width: 9rem; padding-left: 1.55rem; text-indent: -1.55rem; }
.right { text-align: right; white-space: nowrap; }
.checks .icon { width: 1.05rem; height: 1.05rem; margin-right: .5rem; vertical-align: -.18em; }
.checks .bad th, .checks .bad td { font-weight: 600; }
.summary { font-weight: 600; margin-bottom: .75rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
footer { color: var(--faint); font-size: .88rem; padding: 0 .25rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { font-size: 17px; }
  main { padding: .75rem .6rem 2rem; }
  header, section { padding: 1rem; border-radius: 10px; }
  header { gap: .8rem; }
  header .icon { width: 2.4rem; height: 2.4rem; }
  h1 { font-size: 1.35rem; }
  dl > div { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .steps li { grid-template-columns: minmax(0, 1fr) auto; }
  .steps svg { grid-row: 2; grid-column: 1 / -1; }
}
@media print {
  :root {
    --page: #fff; --card: #fff; --text: #000; --faint: #444; --line: #bbb; --code: #eee; --bar: #3b6fb6; --good: #12703f; --good-back: #fff;
    --care: #8a5300; --care-back: #fff; --bad: #b3211c; --bad-back: #fff; --plan: #2a5ca8; --plan-back: #fff;
  }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; display: block; }
  header, section { border-radius: 0; margin-bottom: .8rem; }
  section { border-width: 0 0 1px; padding: 0 0 .6rem; }
  header, .notes li, .next li, .steps li, tr, dl > div { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide { overflow: visible; }
  a { color: inherit; }
}
`)
