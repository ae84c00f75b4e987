"""The page's style sheet: light and dark, wide, narrow and printed."""

# ruff: noqa: E501 - a style sheet reads best with a rule a line

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.report.methods import Method

_LIGHT = """--paper:#fbfaf7;--card:#ffffff;--ink:#1c2024;--soft:#5b636c;--grid:#dedcd5;--accent:#0067a8;--wash:#eef4f8;
--sense:#e3f0fa;--world:#eaf3e4;--lead:#f9ecdc;--role-act:#f3e9f3;--warn:#8a4b00;--warnwash:#fdf3e3;"""
_DARK = """--paper:#14171b;--card:#1b1f25;--ink:#e7e9ec;--soft:#a3abb5;--grid:#343a43;--accent:#6bb8f2;--wash:#1b2732;
--sense:#1c2f3f;--world:#22301f;--lead:#382b1b;--role-act:#32263a;--warn:#f0b866;--warnwash:#2d2518;"""

_SHEET = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:12px}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
main,header.top,footer{max-width:1240px;margin:0 auto;padding:0 24px}
header.top{padding-top:22px}
.marks{position:absolute}
.skip{position:absolute;left:-999px}.skip:focus{left:12px;top:8px;background:var(--card);padding:6px 12px;z-index:9}
a{color:var(--accent)}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.eyebrow{margin:0;color:var(--soft);font-size:.78rem;letter-spacing:.06em;text-transform:uppercase}
h1{font-size:clamp(1.6rem,1.25rem + 1.5vw,2.3rem);line-height:1.12;letter-spacing:-.022em;margin:.1em 0 .15em;font-weight:700;text-wrap:balance}
h2{font-size:1.45rem;line-height:1.25;letter-spacing:-.012em;margin:2.8rem 0 .6rem;text-wrap:balance}
h3{font-size:1.12rem;margin:1.6rem 0 .5rem}
p,li{max-width:78ch}
.question{font-size:.9rem;color:var(--soft);margin:0 0 .8rem;max-width:none}
.small{font-size:.84rem;color:var(--soft);max-width:none}
code{font:.86em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.answer{background:var(--wash);border-left:5px solid var(--accent);border-radius:4px 12px 12px 4px;padding:14px 24px 14px}
.answer .lead{font-size:clamp(1.06rem,1rem + .4vw,1.28rem);line-height:1.4;font-weight:600;margin:0 0 .4rem;max-width:none;text-wrap:pretty}
.answer p{margin:0 0 .3rem;max-width:110ch}
.answer{display:grid;grid-template-columns:minmax(0,8fr) minmax(0,5fr);gap:6px 40px;align-items:center}
.answer:not(:has(.contrasts)){grid-template-columns:1fr}
.contrasts .what{font-size:.86rem;line-height:1.3;margin-top:5px}
.contrasts .what b{font-weight:600;margin-right:.4em}
.contrasts .what span,.contrasts .gap{color:var(--soft)}
.contrasts .gap{font-size:.78rem;text-align:center}
.contrasts svg{width:100%;height:26px;display:block;overflow:visible}
.contrasts svg.axis{height:18px}
.contrasts .axis text{fill:var(--soft);font-size:12px}
.zero{stroke:var(--soft);stroke-width:1.2}
.first{display:grid;grid-template-columns:minmax(0,8fr) minmax(0,5fr);gap:10px 30px;align-items:start;margin-top:14px}
@media (min-width:1001px){.first>figure{position:sticky;top:10px}}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;border-top:1px solid var(--grid);border-bottom:1px solid var(--grid);padding:9px 0;margin:1.4rem 0 0;font-size:.86rem}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
.note{color:var(--warn);background:var(--warnwash);border-radius:8px;padding:10px 16px;margin:.8rem 0;max-width:none;overflow-wrap:anywhere}
.earlier{border-top:2px dashed var(--grid);margin-top:3.6rem}
.badge{display:inline-block;font-size:.8rem;font-weight:600;color:var(--warn);background:var(--warnwash);border-radius:999px;padding:3px 12px;margin-top:1.6rem}
.badge + h2{margin-top:.5rem}
.scroll{overflow-x:auto;margin:.6rem 0 1.2rem;max-width:100%}
table{border-collapse:collapse;width:100%;font-size:.84rem;line-height:1.3}
caption{caption-side:bottom;text-align:left;color:var(--soft);font-size:.8rem;line-height:1.45;padding:9px 0 0}
caption span{display:inline-block;position:sticky;left:0;max-width:min(100%,calc(100vw - 32px))}
thead th{color:var(--soft);font-weight:500;font-size:.78rem;text-align:right;vertical-align:bottom;padding:2px 0 5px;border-bottom:1.5px solid var(--soft);line-height:1.2}
thead th:first-child{text-align:left}
th button{font:inherit;color:inherit;background:none;border:0;padding:3px 8px;cursor:pointer;text-align:inherit;width:100%;border-radius:4px}
th:first-child button{padding-left:0}
th button:hover{color:var(--ink)}
th button::after{content:"\\2195";content:"\\2195" / "";opacity:.35;margin-left:3px;font-size:.9em}
th[aria-sort=ascending] button::after{content:"\\2191";content:"\\2191" / "";opacity:1}
th[aria-sort=descending] button::after{content:"\\2193";content:"\\2193" / "";opacity:1}
tbody th{font-weight:600;text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--grid);min-width:11.5rem;vertical-align:top;background:var(--paper)}
.who{display:flex;align-items:flex-start}
.who code{display:block;color:var(--soft);font-weight:400;font-size:.76rem}
.swatch,.swatch-gap{flex:none;display:inline-block;width:32px;height:17px;margin:1px 10px 0 0}
td{text-align:right;padding:6px 8px;border-bottom:1px solid var(--grid);white-space:nowrap;vertical-align:top}
td small{display:block;color:var(--soft);font-size:.76rem}
td.graphic{min-width:9rem;width:30%}
.compact tbody th,.compact td{padding-top:4px;padding-bottom:4px}
.compact tbody th{min-width:14rem}
.compact td{padding-left:6px;padding-right:6px}
tr.reference th,tr.reference td{color:var(--soft);font-weight:400;font-style:italic}
tr.reference th code{display:none}
.strip{display:block;width:100%;min-width:104px;height:15px;margin-top:2px;overflow:visible}
td.graphic .strip{height:22px}
.strip .tick{stroke:var(--soft);stroke-opacity:.45;stroke-width:1.1}
.strip .dots{stroke:none;fill-opacity:.5}
.legend{display:flex;flex-wrap:wrap;gap:2px 10px;padding:0;margin:1rem 0 .2rem;list-style:none;font-size:.86rem}
.legend button{display:flex;align-items:center;font:inherit;color:inherit;background:none;border:0;border-radius:6px;padding:3px 6px;cursor:pointer}
.legend button:hover{background:var(--wash)}
.legend button[aria-pressed=false]{opacity:.45;text-decoration:line-through}
.legend .swatch{margin:0 7px 0 0}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:22px 34px;margin-top:.6rem;align-items:start}
figure{margin:0;break-inside:avoid;min-width:0}
figure svg{width:100%;height:auto;display:block}
figcaption{color:var(--soft);font-size:.82rem;line-height:1.45}
figcaption b{color:var(--ink);display:block;font-size:.98rem}
.plot figcaption{margin-bottom:.4rem}
.film{margin:1rem 0}.film img,.film video{max-width:100%;border-radius:8px;display:block;margin-bottom:6px}
.chart{touch-action:pan-y}
.chart text{fill:var(--soft);font-size:12.5px}
.chart .label{fill:var(--ink);font-size:12.5px}
.first .chart text,.first .chart .label{font-size:14.5px}
.chart .grid{stroke:var(--grid);stroke-width:1}
.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .level{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:5 3}
.chart .level.blind{stroke-dasharray:1.5 2.5}.chart .level.random{stroke-dasharray:7 3 1.5 3}
.series .line,.swatch .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.series .bar{fill:none;stroke-width:1.6}
.series .band{stroke:none;fill-opacity:.13}
.series use,.swatch use{stroke:none}
.line.dashed{stroke-dasharray:5 4}.line.dashdot{stroke-dasharray:8 4 1.5 4}.line.dotted{stroke-dasharray:1.5 4}
.series.off{display:none}
.spot{fill:none;stroke-width:2}
#tip{position:fixed;z-index:5;background:var(--ink);color:var(--paper);font-size:.8rem;line-height:1.35;padding:5px 10px;border-radius:6px;max-width:min(320px,90vw);pointer-events:none}
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
details{border:1px solid var(--grid);border-radius:9px;background:var(--paper);margin:.6rem 0;padding:0 16px}
summary{cursor:pointer;padding:9px 0;font-weight:600}
details[open]{padding-bottom:14px}
pre{background:var(--card);border:1px solid var(--grid);border-radius:9px;padding:12px 16px;overflow-x:auto;font-size:.82rem;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}
details pre{border:0;padding:0;margin:.2rem 0;background:none}
.plain td,.plain th{text-align:left;white-space:normal;overflow-wrap:anywhere}
.plain tbody th{min-width:0;font-weight:500}
footer{color:var(--soft);font-size:.84rem;padding-top:3rem;padding-bottom:3rem}
@media (max-width:1000px){.answer{grid-template-columns:minmax(0,1fr)}.first{grid-template-columns:minmax(0,1fr)}}
@media (max-width:820px){.game{grid-template-columns:1fr}}
@media (max-width:600px){
 main,header.top,footer{padding-left:16px;padding-right:16px}
 header.top{padding-top:16px}
 .answer{padding:12px 16px}
 .chart text,.chart .label,.first .chart text,.first .chart .label{font-size:17px}
 tbody th{position:sticky;left:0;z-index:1;min-width:8.2rem;max-width:9rem;padding-right:8px}
 .compact tbody th{min-width:8rem}
 .who .swatch,.who .swatch-gap{display:block;margin:0 0 2px}
 .who{display:block}
 th button{padding:3px 5px}
 td{padding-left:5px;padding-right:5px}
}
@media print{
 body{font-size:10pt;background:#fff}
 main,header.top,footer{max-width:none;padding-left:0;padding-right:0}
 h2,h3{break-after:avoid}
 tr,figure,.answer{break-inside:avoid}
 nav,.skip,#tip,.legend button[aria-pressed=false]{display:none}
 th button::after{content:""}
 *{print-color-adjust:exact;-webkit-print-color-adjust:exact}
 .scroll{overflow:visible}
 tbody th{background:none}
 table{font-size:8pt}
 td{white-space:normal;padding-left:3px;padding-right:3px}
 tbody th,.compact tbody th{min-width:6.5rem}
 td.graphic{min-width:5rem}
 .strip{min-width:60px}
 .first .plot{max-width:11.5cm}
 .chart text,.chart .label,.first .chart text,.first .chart .label{font-size:12.5px}
 .figures{grid-template-columns:1fr 1fr}
}
"""


def style_sheet(methods: Iterable[Method]) -> str:
    """The style sheet with a colour variable and a class for every method."""
    methods = list(methods)
    light = "".join(f"--{m.variable}:{m.light};" for m in methods)
    dark = "".join(f"--{m.variable}:{m.dark};" for m in methods)
    classes = "".join(f".{m.variable}{{stroke:{m.css};fill:{m.css}}}\n" for m in methods)
    return (
        f":root{{color-scheme:light dark;{_LIGHT}{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}{dark}}}}}\n{classes}{_SHEET}"
    )
