"""What the page of a study needs beside the common style: the looks of the kinds of time, timelines, panels.

Looks refer to the gradients of study_charts.definitions, which are in the page itself; without them the plain colour is
left.
"""

STUDY_STYLE = """
:root { --gap: #b4b8b8; }
@media screen and (prefers-color-scheme: dark) { :root { --gap: #454b51; } }
.s1 { fill: url(#k1) var(--f1); } .s2 { fill: url(#k2) var(--f2); } .s3 { fill: var(--f5); }
.s4 { fill: url(#k4) var(--f6); } .s5 { fill: url(#k5) var(--f7); } .s6 { fill: url(#k6) var(--f8); }
.s7 { fill: url(#k7) var(--panel); stroke: var(--line); }
.g1 { stop-color: var(--f1); } .g2 { stop-color: var(--f2); } .g4 { stop-color: var(--f6); }
.g5 { stop-color: var(--f7); } .g6 { stop-color: var(--f8); } .g7 { stop-color: var(--panel); }
.h1 { stop-color: #7f9bb1; } .h2 { stop-color: #d39f4c; } .h4 { stop-color: #76b59a; } .h5 { stop-color: #ba8ca9; }
.h6 { stop-color: #b2b2ac; } .h7 { stop-color: var(--gap); }
.bar .label, .timeline .label, .key .label { paint-order: stroke; stroke: rgb(255 255 255 / .6); stroke-width: 3px;
  stroke-linejoin: round; }
.strategy { fill: var(--ink); font-weight: 600; } .frame { fill: none; stroke: var(--ink); stroke-width: 1; }
.frame.failed { stroke: var(--c2); stroke-width: 2.5; }
line.border { stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 4 3; } text.border { fill: var(--ink); }
.faint { fill: none; stroke: var(--soft); stroke-width: 1; stroke-opacity: .55; }
svg.key { display: inline-block; width: auto; height: auto; vertical-align: -.2em; margin-right: .5em; }
svg.definitions { position: absolute; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .4rem 1.2rem; }
.panels figure { margin: .4rem 0; break-inside: avoid; } .panels figcaption { font-size: .8rem; margin: 0; }
.name-cell { white-space: nowrap; }
.legend { font: .88rem/1.6 var(--sans); } .legend span { margin-right: 1.6em; white-space: nowrap; }
thead th.number { white-space: normal; }
@media print {
  table { font-size: 7.5pt; } th, td { padding-right: .5rem; } .number { white-space: normal; }
}
""".strip()
