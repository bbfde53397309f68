# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page: no network, light and dark, wide and narrow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import dataclasses
import html

from plotly import graph_objects as go
from plotly import offline

_STYLE = """
:root {
  --ink: #1d242b; --soft: #5b6772; --rule: #dfe4e8; --page: #f7f8f9;
  --card: #ffffff; --accent: #2f6fcb; --good: #1f7f5c; --good-bg: #e2f3ec;
  --chip: #eef1f4; --warn: #c77414;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6eaee; --soft: #9aa6b1; --rule: #323b44; --page: #14181c;
    --card: #1c2228; --accent: #7fb0f2; --good: #6fd0a8; --good-bg: #173529;
    --chip: #28313a; --warn: #e0a458;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif;
}
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 44px 0 4px; }
h3 { font-size: 14px; margin: 0 0 8px; font-weight: 600; }
.columns h3 { display: flex; flex-wrap: wrap; gap: 2px 8px; }
p, .note { color: var(--soft); margin: 0 0 14px; max-width: 76ch; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 22px; }
nav a, p a { color: var(--accent); text-decoration: none; }
nav a:hover, p a:hover { text-decoration: underline; }
.card {
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: 16px 18px; margin: 12px 0; min-width: 0;
}
.tiles, .charts { display: grid; gap: 12px; margin: 16px 0; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); }
.charts {
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
}
.tiles .card, .charts .card { margin: 0; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 7px 12px 7px 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; }
tr:last-child td { border-bottom: 0; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child, .left { text-align: left; }
td.best { font-weight: 700; color: var(--good); }
td.wide { text-align: left; white-space: normal; min-width: 190px;
  overflow-wrap: anywhere; }
th.wide { text-align: left; }
.warning { border-left: 4px solid var(--warn); }
.warning p { margin: 0 0 6px; color: var(--ink); max-width: none; }
.warning p.advice { color: var(--soft); }
.columns { display: grid; gap: 20px 26px;
  grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); }
.columns > div { min-width: 0; }
ol { margin: 0; padding: 0; list-style: none; font-size: 13.5px; }
li { padding: 3px 0; line-height: 1.35; overflow-wrap: anywhere; }
li.hit { background: var(--good-bg); color: var(--good); font-weight: 600;
  border-radius: 5px; padding: 3px 6px; margin: 0 -6px; }
code, pre { font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
.sid { color: var(--soft); white-space: nowrap; margin-left: 5px;
  font-size: 11px; font-weight: 400; }
.chip { background: var(--chip); border-radius: 5px; padding: 1px 7px;
  font-size: 12px; color: var(--soft); font-weight: 400; white-space: nowrap;
  display: inline-block; }
.chip.good { background: var(--good-bg); color: var(--good); }
.target { margin: 10px 0 0; font-size: 13.5px; }
details { border-bottom: 1px solid var(--rule); padding: 8px 0; }
details:last-child { border-bottom: 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: var(--page); padding: 12px;
  border-radius: 8px; margin: 10px 0 4px; }
.plot { width: 100%; min-width: 0; }
.plot .xtick text, .plot .ytick text, .plot .legendtext, .plot .xtitle,
.plot .ytitle { fill: var(--soft) !important; }
@media (max-width: 560px) {
  main { padding: 20px 14px 48px; }
  .card { padding: 13px 14px; }
  .tiles { grid-template-columns: 1fr 1fr; }
  .tile b { font-size: 21px; }
  td:first-child { white-space: normal; min-width: 92px; }
  table.long thead { display: none; }
  table.long tr { display: block; padding: 8px 0;
    border-bottom: 1px solid var(--rule); }
  table.long td { display: inline-block; border: 0; padding: 2px 14px 2px 0;
    text-align: left; min-width: 0; }
  table.long td.wide { display: block; padding-right: 0; }
  table.long td::before { content: attr(data-label) ' '; color: var(--soft);
    font-size: 12.5px; }
}
"""


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of the page.

  Attributes:
    title: its heading, plain text.
    body: HTML, with all that came from data escaped.
    note: a sentence under the heading, plain text.
  """

  title: str
  body: str
  note: str = ''


def escape(text: object) -> str:
  """Escapes text for HTML, in elements and in attributes.

  >>> escape('<i>"Rock" & Roll</i>')
  '&lt;i&gt;&quot;Rock&quot; &amp; Roll&lt;/i&gt;'
  """
  return html.escape(str(text), quote=True)


def card(body: str, title: str = '') -> str:
  """Puts HTML into a box, below a heading of plain text."""
  heading = f'<h3>{escape(title)}</h3>' if title else ''
  return f'<div class="card">{heading}{body}</div>'


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    best: Iterable[tuple[int, int]] = (),
    wide: Iterable[int] = (),
) -> str:
  """Writes a table; the first column is left-aligned.

  Args:
    header: plain text of the columns.
    rows: plain text of the cells.
    best: (row, column) of the cells to make stand out.
    wide: columns of long texts, which break into lines. A narrow screen then
      shows a row as a paragraph.
  """
  marked, long = set(best), set(wide)
  kind = ' class="long"' if long else ''

  def attributes(row: int, column: int) -> str:
    names = ['best'] * ((row, column) in marked) + ['wide'] * (column in long)
    label = f' data-label="{escape(header[column])}"' if long else ''
    return label + (f' class="{" ".join(names)}"' if names else '')

  head = ''.join(
      f'<th{attributes(-1, column)}>{escape(cell)}</th>'
      for column, cell in enumerate(header)
  )
  lines = []
  for row_number, row in enumerate(rows):
    cells = ''.join(
        f'<td{attributes(row_number, column)}>{escape(cell)}</td>'
        for column, cell in enumerate(row)
    )
    lines.append(f'<tr>{cells}</tr>')
  return (
      f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead>'
      f'<tbody>{"".join(lines)}</tbody></table></div>'
  )


def figure(name: str, content: go.Figure) -> str:
  """Writes a Plotly figure that the page's own copy of plotly.js draws.

  Args:
    name: its identifier on the page, letters, digits and hyphens.
    content: the figure. Its texts must be escaped.
  """
  # to_json writes < as \\u003c: no text can end the script.
  return (
      f'<div class="plot" id="{escape(name)}" '
      f'style="height:{content["layout"]["height"]}px"></div>'
      f'<script>figures.push(["{escape(name)}", {content.to_json()}]);</script>'
  )


def folded(title: str, body: str, *, is_open: bool = False) -> str:
  """Puts HTML under a line of plain text that opens and closes it."""
  state = ' open' if is_open else ''
  return f'<details{state}><summary>{escape(title)}</summary>{body}</details>'


# Figures are drawn when they are laid out: only then do they have a width.
# Those in a closed part wait until it is opened.
_DRAW = """
const figures = [];
function draw() {
  for (const entry of figures) {
    const [name, figure, done] = entry;
    const place = document.getElementById(name);
    if (done || place.closest('details:not([open])')) continue;
    entry[2] = true;
    Plotly.newPlot(name, figure.data, figure.layout,
                   {displayModeBar: false, responsive: true});
  }
}
document.addEventListener('DOMContentLoaded', () => {
  draw();
  for (const part of document.querySelectorAll('details')) {
    part.addEventListener('toggle', draw);
  }
});
"""


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
  """Writes the whole page.

  Args:
    title: plain text.
    lead: HTML under the title.
    sections: the parts, in order.

  Returns:
    A document that loads nothing: style, script and data are in it.
  """
  links = ''.join(
      f'<a href="#part-{number}">{escape(section.title)}</a>'
      for number, section in enumerate(sections)
  )
  parts = ''.join(
      f'<section id="part-{number}"><h2>{escape(section.title)}</h2>'
      + (f'<p>{escape(section.note)}</p>' if section.note else '')
      + f'{section.body}</section>'
      for number, section in enumerate(sections)
  )
  return (
      '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
      '<meta name="viewport" content="width=device-width, initial-scale=1">'
      '<meta name="color-scheme" content="light dark">'
      f'<title>{escape(title)}</title><style>{_STYLE}</style>'
      f'<script>{offline.get_plotlyjs()}</script><script>{_DRAW}</script>'
      f'</head><body><main><h1>{escape(title)}</h1>{lead}<nav>{links}</nav>'
      f'{parts}</main></body></html>\n'
  )
