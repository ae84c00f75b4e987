"""A drawing of the five roles, what each senses, and the channels between them."""

# ruff: noqa: E501 - an SVG reads best with an element a line

from __future__ import annotations

DESCRIPTION = (
    "The five roles on one body. state_modeling sees positions, velocities, last torque and last reward and sends a belief "
    "of 8 numbers through a noisy channel of limited rate; it arrives one step later at meta_learning, adaptation and the "
    "coordinator. meta_learning sees positions, the belief and the last torque and proposes a prior torque. adaptation sees "
    "the same and the last prior and proposes a correction. The coordinator sees no sensors, only the belief and the "
    "blackboard: last prior, last correction, last rate; it sets the trust in the correction for each actuator and the rate "
    "of the channel. The torque is prior plus (trust plus 1) over 2 times correction, clipped to minus 1 to 1. The "
    "environment role sees the ledger of tasks and outcomes and proposes the task of the next trial."
)

_BOX = '<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="9" class="box {kind}"/>'


def roles_svg() -> str:
    """The drawing as inline SVG; solid arrows act in this step, dashed ones arrive one step later."""
    return f"""<svg class="roles" viewBox="0 0 480 668" role="img" aria-labelledby="roles-title roles-text">
<title id="roles-title">The five roles and their channels</title><desc id="roles-text">{DESCRIPTION}</desc>
<defs>
<marker id="roles-now" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 1L9 5L0 9z" class="head"/></marker>
<marker id="roles-belief" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 1L9 5L0 9z" class="head belief"/></marker>
</defs>
<g class="wires">
<path d="M96 78V118" class="now"/>
<path d="M386 118V82" class="now"/>
<path d="M22 78V366H36V382" class="now"/>
<path d="M36 366H190V382" class="now"/>
<path d="M112 206V254" class="belief"/>
<path d="M96 310V382" class="belief later"/>
<path d="M240 310V382" class="belief later"/>
<path d="M390 310V382" class="belief later"/>
<path d="M154 418H171" class="later"/>
<path d="M308 418H325" class="later"/>
<path d="M448 382V282H412" class="now"/>
<path d="M82 494V552" class="now"/>
<path d="M240 494V552" class="now"/>
<path d="M398 494V552" class="now"/>
<path d="M462 576H474V46H467" class="now"/>
</g>
{_box(14, 14, 452, 64, "body")}
<text x="240" y="41" class="name" text-anchor="middle">one body, one hidden task</text>
<text x="240" y="62" class="small" text-anchor="middle">sensors: positions, velocities, last torque, last reward</text>
{_box(36, 118, 236, 88, "sense")}
<text x="50" y="141" class="role">state_modeling</text>
<text x="50" y="161" class="small">sees positions, velocities, last</text>
<text x="50" y="176" class="small">torque and the last reward;</text>
<text x="50" y="195" class="small">posts <tspan class="act">belief</tspan> (8 numbers)</text>
{_box(306, 118, 148, 88, "world")}
<text x="319" y="141" class="role">environment</text>
<text x="319" y="161" class="small">sees the ledger of</text>
<text x="319" y="176" class="small">tasks and outcomes;</text>
<text x="319" y="195" class="small">posts the next <tspan class="act">task</tspan></text>
<text x="120" y="236" class="tiny">belief</text>
<path d="M58 254H382A28 28 0 0 1 382 310H58A28 28 0 0 1 58 254z" class="box channel"/>
<path d="M52 282q6 -14 12 0t12 0t12 0" class="noise"/>
<text x="232" y="278" class="name" text-anchor="middle">noisy channel, limited rate</text>
<text x="232" y="297" class="small" text-anchor="middle">what is sent arrives one step later</text>
<text x="441" y="330" class="tiny" text-anchor="end">rate</text>
<text x="248" y="345" class="tiny">received belief</text>
<text x="27" y="360" class="tiny">positions</text>
{_box(14, 382, 140, 112, "act")}
<text x="24" y="404" class="role">meta_learning</text>
<text x="24" y="424" class="small">sees positions,</text>
<text x="24" y="439" class="small">belief, last torque</text>
<text x="24" y="482" class="small">posts <tspan class="act">prior</tspan></text>
{_box(172, 382, 136, 112, "act")}
<text x="182" y="404" class="role">adaptation</text>
<text x="182" y="424" class="small">sees positions,</text>
<text x="182" y="439" class="small">belief, last torque,</text>
<text x="182" y="454" class="small">last prior</text>
<text x="182" y="482" class="small">posts <tspan class="act">correction</tspan></text>
{_box(326, 382, 140, 112, "lead")}
<text x="336" y="404" class="role">coordinator</text>
<text x="336" y="424" class="small">no sensors; belief,</text>
<text x="336" y="439" class="small">last prior, last</text>
<text x="336" y="454" class="small">correction and rate</text>
<text x="336" y="482" class="small">posts <tspan class="act">trust</tspan>, <tspan class="act">rate</tspan></text>
{_box(14, 552, 448, 62, "body")}
<text x="238" y="577" class="formula" text-anchor="middle">torque = clip( prior + g \N{MULTIPLICATION SIGN} correction, \N{MINUS SIGN}1, 1 )</text>
<text x="238" y="599" class="small" text-anchor="middle">g = (trust + 1) / 2, for each actuator</text>
<text x="90" y="528" class="tiny">prior</text><text x="248" y="528" class="tiny">correction</text><text x="406" y="528" class="tiny">trust</text>
<g class="wires"><path d="M24 646H60" class="now"/><path d="M174 646H210" class="later"/><path d="M344 646H380" class="belief"/></g>
<text x="68" y="650" class="tiny">in this step</text><text x="218" y="650" class="tiny">one step later</text><text x="388" y="650" class="tiny">belief</text>
</svg>"""


def _box(x: int, y: int, w: int, h: int, kind: str) -> str:
    return _BOX.format(x=x, y=y, w=w, h=h, kind=kind)
