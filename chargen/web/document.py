"""Static HTML documents: one file, no script, nothing loaded from anywhere, XML that is well-formed."""

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML has no way to write, control characters above all."""


def document(title: str, body: str, *, reload_seconds: int | None = None) -> bytes:
    """A whole document, whose body is HTML and well-formed XML; the browser reads it again after ``reload_seconds``."""
    style = asset("document.css")
    refresh = "" if reload_seconds is None else f'<meta http-equiv="refresh" content="{reload_seconds}"/>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src {source(style)}"/>'
        f"{refresh}<title>{escaped(title)}</title><style>{style}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    ).encode()


def asset(name: str) -> str:
    """The text of a file in ``web/assets``."""
    return (files("chargen.web") / "assets" / name).read_text(encoding="utf-8")


def source(text: str) -> str:
    """A style or a script as a content security policy names it, by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def escaped(text: str) -> str:
    """``text`` as it stands in HTML and in an attribute's value, whatever it holds."""
    return html.escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    head, *body = ([escaped(value) for value in row] for row in rows)
    lines = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in body)
    return (
        f'<div class="table"><table><thead><tr><th>{"</th><th>".join(head)}</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
