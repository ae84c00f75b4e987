"""The page's style sheet: light and dark, wide, narrow and printed."""

# ruff: noqa: E501 - a style sheet reads best with a rule a line

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.report.methods import Method

_LIGHT = """--paper:#fbfaf7;--card:#ffffff;--ink:#1c2024;--soft:#5b636c;--grid:#d9d7d0;--accent:#0067a8;--wash:#eef4f8;
--sense:#e3f0fa;--world:#eaf3e4;--lead:#f9ecdc;--role-act:#f3e9f3;--warn:#8a4b00;--warnwash:#fdf3e3;"""
_DARK = """--paper:#14171b;--card:#1b1f25;--ink:#e7e9ec;--soft:#a3abb5;--grid:#383e47;--accent:#6bb8f2;--wash:#1b2732;
--sense:#1c2f3f;--world:#22301f;--lead:#382b1b;--role-act:#32263a;--warn:#f0b866;--warnwash:#2d2518;"""

_SHEET = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,header.top,footer{max-width:1200px;margin:0 auto;padding:0 24px}
header.top{padding-top:52px}
.eyebrow{margin:0;color:var(--soft);font-size:.82rem;letter-spacing:.06em;text-transform:uppercase}
h1{font-size:clamp(1.9rem,1.3rem + 2.4vw,3rem);line-height:1.12;letter-spacing:-.022em;margin:.25em 0 .35em;font-weight:700;text-wrap:balance}
h2{font-size:1.5rem;line-height:1.25;letter-spacing:-.012em;margin:3.2rem 0 .5rem;text-wrap:balance}
h3{font-size:1.05rem;margin:0 0 .3rem}
p,li{max-width:74ch}
.question{font-size:1.13rem;color:var(--soft);margin:0 0 1.6rem}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.answer{background:var(--wash);border-left:5px solid var(--accent);border-radius:4px 12px 12px 4px;padding:22px 28px 20px}
.answer .lead{font-size:clamp(1.12rem,1rem + .65vw,1.42rem);line-height:1.42;font-weight:600;margin:0 0 .6rem;max-width:66ch;text-wrap:pretty}
.answer p{margin:0 0 .4rem}
.contrasts{display:grid;grid-template-columns:minmax(0,22rem) minmax(0,1fr);gap:6px 22px;align-items:center;margin-top:16px;max-width:60rem}
.contrasts .what{font-size:.92rem;line-height:1.35}
.contrasts .what b{display:block;font-weight:600}
.contrasts .what span{color:var(--soft)}
.contrasts svg{width:100%;height:34px;display:block;overflow:visible}
.contrasts .axis{height:18px}
.contrasts .axis text{fill:var(--soft);font-size:12px}
.contrasts .zero{stroke:var(--soft);stroke-width:1.2}
.note{color:var(--warn);background:var(--warnwash);border-radius:8px;padding:10px 16px;margin:.8rem 0;max-width:none}
.earlier{border-top:2px dashed var(--grid);margin-top:3.6rem}
.badge{display:inline-block;font-size:.8rem;font-weight:600;color:var(--warn);background:var(--warnwash);border-radius:999px;padding:3px 12px;margin-top:1.6rem}
.badge + h2{margin-top:.5rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.84rem;line-height:1.3}
caption{caption-side:bottom;text-align:left;color:var(--soft);font-size:.82rem;line-height:1.5;padding:12px 0 0;max-width:100ch}
thead th{color:var(--soft);font-weight:500;font-size:.78rem;text-align:right;vertical-align:bottom;padding:4px 7px 7px;border-bottom:1.5px solid var(--soft);line-height:1.25}
thead th.group{text-align:center;border-bottom:1px solid var(--grid);padding-bottom:4px}
thead th:first-child{text-align:left;padding-left:0}
thead tr:last-child th:first-child{text-align:right;padding-left:7px}
tbody th{font-weight:600;text-align:left;padding:9px 12px 9px 0;border-bottom:1px solid var(--grid);min-width:12.2rem;vertical-align:top}
tbody th>span{display:inline-block;vertical-align:top;max-width:calc(100% - 44px)}
tbody th code{display:block;color:var(--soft);font-weight:400;font-size:.76rem}
.swatch,.swatch-gap{display:inline-block;width:32px;height:17px;margin:1px 10px 0 0;vertical-align:top}
td{text-align:right;padding:9px 7px;border-bottom:1px solid var(--grid);white-space:nowrap;vertical-align:top}
td small{display:block;color:var(--soft);font-size:.76rem}
td.empty{color:var(--soft)}
td.graphic{min-width:118px}
tr.reference th,tr.reference td{color:var(--soft);font-weight:400;font-style:italic;padding-top:6px;padding-bottom:6px}
tr.reference th code{display:none}
.strip{display:block;width:100%;height:16px;margin-top:3px;overflow:visible}
.strip .tick{stroke:var(--soft);stroke-opacity:.45;stroke-width:1.1}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;padding:0;margin:1.6rem 0 .2rem;list-style:none;font-size:.87rem}
.legend li{display:flex;align-items:center}
.legend .swatch{margin:0 7px 0 0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:26px 34px;margin-top:.6rem}
figure{margin:0;break-inside:avoid;min-width:0}
figure svg{width:100%;height:auto;display:block}
figure svg text{font-family:inherit!important}
figcaption{color:var(--soft);font-size:.84rem;line-height:1.5}
figcaption b{color:var(--ink);display:block;font-size:1rem;margin-bottom:.1rem}
.plot figcaption{margin-bottom:.5rem;min-height:5.6em}
.game{display:grid;grid-template-columns:minmax(0,560px) minmax(0,1fr);gap:18px 48px;align-items:center}
.roles .box{stroke:var(--soft);stroke-width:1.1;fill:var(--card)}
.roles .sense{fill:var(--sense)}.roles .world{fill:var(--world)}.roles .lead{fill:var(--lead)}.roles .box.act{fill:var(--role-act)}
.roles .channel{fill:var(--paper);stroke:var(--accent);stroke-width:1.6}
.roles text{fill:var(--ink);font-size:12.4px}
.roles .role{font:700 14.5px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace!important}
.roles .name{font-size:14.5px;font-weight:600}.roles .formula{font-size:15.5px;font-weight:600}
.roles .tiny{font-size:12px;fill:var(--soft)}
.roles tspan.act{font-weight:700}
.roles .wires path{fill:none;stroke:var(--soft);stroke-width:1.6;marker-end:url(#roles-now)}
.roles .wires .belief{stroke:var(--accent);marker-end:url(#roles-belief);stroke-width:2}
.roles .wires .later{stroke-dasharray:5 4}
.roles .head{fill:var(--soft)}.roles .head.belief{fill:var(--accent)}
.roles .noise{fill:none;stroke:var(--accent);stroke-width:1.6}
dl.duties{margin:0;display:grid;gap:.7rem}
dl.duties dt{font-weight:700}dl.duties dd{margin:0;max-width:56ch}
details{border:1px solid var(--grid);border-radius:9px;background:var(--card);margin:.6rem 0;padding:0 16px}
summary{cursor:pointer;padding:10px 0;font-weight:600}
details[open]{padding-bottom:14px}
pre{background:var(--card);border:1px solid var(--grid);border-radius:9px;padding:12px 16px;overflow-x:auto;font-size:.84rem;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}
details pre{border:0;padding:0;margin:.2rem 0}
.plain td,.plain th{text-align:left;white-space:normal;overflow-wrap:anywhere}
.plain tbody th{min-width:0;font-weight:500}
footer{color:var(--soft);font-size:.84rem;padding-top:3rem;padding-bottom:3rem}
@media (max-width:1130px){
 .cards{overflow:visible}
 .cards table,.cards tbody,.cards caption{display:block}
 .cards caption{padding:0 0 14px}
 .cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
 .cards tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(6.1rem,1fr));gap:8px 14px;background:var(--card);border:1px solid var(--grid);border-radius:11px;padding:12px 15px;margin-bottom:10px;break-inside:avoid}
 .cards tbody th{grid-column:1/-1;border:0;padding:0 0 2px}
 .cards td,.cards tr.reference td{border:0;padding:0;text-align:left;white-space:normal}
 .cards td::before{content:attr(data-label);display:block;color:var(--soft);font-size:.74rem;font-style:normal;line-height:1.3}
 .cards td.empty{display:none}
 .cards td.graphic{grid-column:1/-1}
 .cards tr.reference{padding:8px 15px;background:none}
}
@media (max-width:820px){.game{grid-template-columns:1fr}.plot figcaption{min-height:0}}
@media (max-width:600px){
 main,header.top,footer{padding-left:16px;padding-right:16px}
 header.top{padding-top:28px}
 .answer{padding:16px 18px}
 .contrasts{grid-template-columns:1fr}
 .contrasts .gap{display:none}
 .contrasts .what{margin-top:8px}
}
@media print{
 body{font-size:10.5pt;background:#fff}
 main,header.top,footer{max-width:none;padding-left:0;padding-right:0}
 h2,h3{break-after:avoid}
 .answer,.strip,.contrasts,details{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 .scroll{overflow:visible}
}
"""


def style_sheet(methods: Iterable[Method]) -> str:
    """The style sheet with a colour variable for every method."""
    methods = list(methods)
    light = "".join(f"--{m.variable}:{m.light};" for m in methods)
    dark = "".join(f"--{m.variable}:{m.dark};" for m in methods)
    return (
        f":root{{color-scheme:light dark;{_LIGHT}{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}{dark}}}}}\n{_SHEET}"
    )
