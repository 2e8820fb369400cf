"""The look of a report: one style sheet for screens, light and dark, and for paper. It names no file and no address.

Colours of series are those of Okabe and Ito (2008), which the colour-blind tell apart; in the dark some are lighter.
"""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfb; --ink: #1c1e21; --soft: #5a6068; --line: #d9dbd6; --panel: #f3f3ef; --accent: #0a5a8f;
  --c1: #0072b2; --c2: #c44e00; --c3: #00805d; --c4: #a84f84; --c5: #8a6d00; --c6: #2b7bba; --c7: #6b6b6b; --c8: #444;
  --f1: #9db6c9; --f2: #f0c27b; --f3: #e8a37c; --f4: #b9d7ec; --f5: #7fbbe0; --f6: #9ed3bd; --f7: #d9b3cc;
  --f8: #cfcfca; --f9: #e0918b;
  --on-fill: #14181c;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", "URW Palladio L", Georgia, serif;
  --sans: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181b; --ink: #e6e6e1; --soft: #a3a9b0; --line: #34393e; --panel: #1d2125; --accent: #7fbde8;
    --c1: #56b4e9; --c2: #f29b5c; --c3: #35c79b; --c4: #e39cc4; --c5: #e6cf4e; --c6: #8fc7f2; --c7: #b8b8b8; --c8: #ddd;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--serif); }
main { max-width: 62rem; margin: 0 auto; padding: 3rem 1.5rem 4rem; }
header { border-bottom: 1px solid var(--line); padding-bottom: 1.25rem; }
.kind { font: 600 .78rem/1 var(--sans); letter-spacing: .09em; text-transform: uppercase; color: var(--soft);
  margin: 0; }
h1 { font-size: 2.3rem; line-height: 1.15; font-weight: 600; margin: .6rem 0 .7rem; overflow-wrap: anywhere; }
h2 { font-size: 1.4rem; font-weight: 600; margin: 2.8rem 0 .6rem; }
h3 { font-size: 1.05rem; font-weight: 600; margin: 1.6rem 0 .3rem; }
p { max-width: 44rem; margin: .5rem 0; overflow-wrap: break-word; }
.lede { font-size: 1.15rem; max-width: 48rem; }
.note { color: var(--soft); font-size: .92rem; }
.problem { border-left: 4px solid var(--c2); background: var(--panel); padding: .6rem .9rem; max-width: none; }
dl.keys { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: 1.1rem 1.4rem;
  margin: 1.6rem 0 0; }
dl.keys div { border-top: 2px solid var(--accent); padding-top: .45rem; }
dl.keys dt { font: .82rem/1.3 var(--sans); color: var(--soft); }
dl.keys dd { margin: .1rem 0 0; font: 600 1.4rem/1.3 var(--sans); white-space: nowrap; }
dl.keys dd small { display: block; white-space: normal; font: 400 .8rem/1.4 var(--sans); color: var(--soft); }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr));
  gap: 1rem 2.2rem; align-items: start; }
figure { margin: 1rem 0; }
figcaption { font: 600 .9rem/1.4 var(--sans); margin-bottom: .4rem; overflow-wrap: anywhere; }
figure img { display: block; width: 100%; height: auto; background: #000; border-radius: 3px; }
svg { display: block; width: 100%; height: auto; overflow: visible; font: 12px var(--sans); }
.grid { stroke: var(--line); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 1 3; }
.tick, .title { fill: var(--soft); } .end { text-anchor: end; } .middle { text-anchor: middle; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; } .name { font-weight: 600; }
.case { fill-opacity: .55; stroke-width: 1; } .mean { stroke: var(--ink); stroke-width: 2.5; }
.interval { stroke: var(--ink); stroke-width: 1.2; } .label { fill: var(--on-fill); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font: .88rem/1.45 var(--sans); font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3rem 0 .5rem; }
th, td { text-align: left; padding: .34rem .9rem .34rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody th { font-weight: 400; } thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.number { text-align: right; white-space: nowrap; } th.number:last-child, td.number:last-child { padding-right: 0; }
.facts th { color: var(--soft); width: 11rem; } .facts td { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; } .tall { max-height: 32rem; overflow-y: auto; }
a { color: var(--accent); }
.scroll:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.swatch { display: inline-block; min-width: 1.5em; text-align: center; border-radius: 2px; margin-right: .6em;
  color: var(--on-fill); font-weight: 600; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1.4rem; }
.card { border-top: 2px solid var(--line); padding-top: .6rem; font-size: .85rem; overflow-wrap: anywhere;
  break-inside: avoid; }
.card img { width: 100%; height: auto; border: 1px solid var(--line); background: #fff; }
.card h3 { margin: .5rem 0 .1rem; } .card table { font-size: .75rem; }
.card th { color: var(--soft); white-space: nowrap; }
.right { color: var(--c3); font-weight: 600; } .wrong { color: var(--c2); font-weight: 600; }
ul { margin: .4rem 0; padding-left: 1.2rem; max-width: 44rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; color: var(--soft);
  font-size: .9rem; }
COLOURS
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #f3f3f3;
    --accent: #0a5a8f;
    --c1: #0072b2; --c2: #c44e00; --c3: #00805d; --c4: #a84f84; --c5: #8a6d00; --c6: #2b7bba; --c7: #6b6b6b;
    --c8: #444; }
  @page { margin: 16mm 15mm; }
  body { font-size: 10pt; } main { max-width: none; padding: 0; } h1 { font-size: 20pt; }
  h2 { margin-top: 1.6rem; } h2, h3, caption { break-after: avoid; }
  figure, tr, dl.keys, .facts { break-inside: avoid; }
  .row { grid-template-columns: 1fr 1fr; } .pictures { grid-template-columns: 1fr; }
  .scroll { overflow: visible; max-height: none; }
  .part, .swatch, figure img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
""".replace(
    "COLOURS",
    "\n".join(
        f".c{n} {{ fill: var(--c{n}); }} .line.c{n}, .case.c{n} {{ stroke: var(--c{n}); }} "
        f".line.c{n} {{ fill: none; }} .f{n} {{ fill: var(--f{n}); }} .b{n} {{ background: var(--f{n}); }}"
        for n in range(1, 9)
    )
    + "\n.f9 { fill: var(--f9); } .b9 { background: var(--f9); }",
).strip()
"""Classes c1..c8 colour lines, dots and their names; f1..f9 and b1..b9 parts of bars and their swatches."""
