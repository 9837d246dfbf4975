"""A section of a page: what it shows, and the template that sets it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cryofocus.formatting import visible

BETWEEN_WORDS = re.compile(r"(?<=[_/])(?=\w)")
OPTION = re.compile(r"--[a-z][a-z-]*")
BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:Å(?:[²³]|/px)?|%|GB|s|min|h)(?![\w/]))")
UNBROKEN_SPACE, UNBROKEN_HYPHEN = "\u00a0", "\u2011"


@dataclass(frozen=True)
class Section:
    """One section of the report.

    Attributes:
        anchor: Its id in the page; ``templates/sections/<anchor>.html.jinja`` sets it.
        title: Heading.
        link: Its name in the navigation.
        content: What the template shows. Texts are escaped when they are set.
        scripts: JavaScript that the section needs, in order; each is put into the page once.
    """

    anchor: str
    title: str
    link: str
    content: Mapping[str, object] = field(default_factory=dict)
    scripts: Sequence[str] = ()


@dataclass(frozen=True)
class SetSection:
    """A section as the page holds it."""

    anchor: str
    title: str
    link: str
    html: Markup


def environment() -> Environment:
    """Make the engine that sets all pages: everything from outside is escaped."""
    made = Environment(
        loader=PackageLoader("cryofocus.report"),
        autoescape=True,
        finalize=_finish,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["breakable"] = _let_break
    made.filters["whole_words"] = _keep_words
    made.filters["options"] = _keep_options
    made.filters["sentence"] = _set_sentence
    return made


def _let_break(name: str) -> Markup:
    """Let the name of a file break between its words, and nowhere else."""
    return Markup(BETWEEN_WORDS.sub("<wbr>", str(escape(visible(name)))))


def _keep_options(text: str) -> Markup:
    """Let no line end within an option."""
    shown = str(escape(_finish(text)))
    return Markup(OPTION.sub(r'<span class="whole">\g<0></span>', shown))


def _set_sentence(text: str) -> Markup:
    """Begin with a capital, and keep the hyphens of options."""
    return _keep_options(text[:1].upper() + text[1:])


def _keep_words(command: str) -> Markup:
    """Let a command break between its words, and long paths between theirs."""
    words = (f"<span>{_let_break(word)}</span>" for word in visible(command).split(" "))
    return Markup(" ".join(words))


def _finish(value: Any) -> Any:
    """Write out control characters in texts from outside; what is set already stays.

    No line ends between a number and its unit, or within "p-value".
    """
    if type(value) is not str:
        return value
    return BEFORE_UNIT.sub(UNBROKEN_SPACE, visible(value)).replace(
        "p-value", f"p{UNBROKEN_HYPHEN}value"
    )


def set_section(engine: Environment, section: Section) -> SetSection:
    """Fill the template of a section."""
    template = engine.get_template(f"sections/{section.anchor}.html.jinja")
    html = Markup(template.render(section.content))  # its template has escaped what needs it
    return SetSection(section.anchor, section.title, section.link, html)


def collect_scripts(sections: Sequence[Section]) -> tuple[str, ...]:
    """List the scripts of a page, each once, in the order they are needed."""
    return tuple(dict.fromkeys(script for section in sections for script in section.scripts))


def script_policy(scripts: Sequence[str]) -> str:
    """Compose the part of a content security policy that lets these scripts run and no others.

    Args:
        scripts: Texts between the script tags, to the letter.

    Returns:
        ``script-src`` with their SHA-256 sums, so that no text that slipped into the page from
            outside can run.
    """
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    return "script-src " + (" ".join(f"'sha256-{digest}'" for digest in sums) or "'none'")


@cache
def plotly_script() -> str:
    """Give plotly.js (MIT licence, kept in its head and beside it) as one script."""
    return files("cryofocus.report").joinpath("plotly", "plotly.min.js").read_text("utf-8")


def viewer_script(name: str) -> str:
    """Read a script of our own."""
    return files("cryofocus.report").joinpath("templates", name).read_text("utf-8")
