"""Tools: plain typed callables for people, programs and language models, a file each.

    from policies.tools import SSMTool

    SSMTool()([[0.0], [0.9], [0.2], ...], horizon=3)   # JSON values in, JSON values out
    SSMTool().schema()                                 # JSON schema of the arguments

`tool.py` says what makes a tool. `python -m policies.tools` lists them, and runs one.
"""

from typing import Final

from policies.tools.adaptation_tool import AdaptationTool
from policies.tools.maml_tool import MAMLTool
from policies.tools.ssm_tool import SSMTool
from policies.tools.tool import Tool, ToolError

__all__ = ["TOOLS", "AdaptationTool", "MAMLTool", "SSMTool", "Tool", "ToolError"]

TOOLS: Final[tuple[Tool, ...]] = (SSMTool(), MAMLTool(), AdaptationTool())
"""Every tool, with its defaults."""
