"""A page of help, as the docstring of a command says it: summary, examples, description.

The first paragraph is the summary. What follows a line with only ``\\b`` keeps its lines: a
heading that ends with a colon, and rows whose two columns are two spaces apart. Rows under
``Example:`` or ``Examples:`` are the page's examples, shown before all else. In a row only the
right column, or a remark in parentheses, is for people: the left one is typed.

Used before click is loaded too, for ``igc --help``: it imports nothing that costs.
"""

from __future__ import annotations

from . import layout

TYPE_CHECKING = False  # as typing has it, without its cost
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Say = Callable[[str], str]

Row = tuple[str, str]

EXAMPLES, DESCRIPTION, OPTIONS, COMMANDS = "Examples", "Description", "Options", "Commands"
USAGE = "Usage:"
HEADED = "{heading}:"
HEADINGS = (EXAMPLES, DESCRIPTION, OPTIONS, COMMANDS, USAGE, HEADED)


class Rows:
    """A block that keeps its lines: ``heading`` without its colon, maybe empty, and ``rows``."""

    def __init__(self, heading: str, rows: list[Row]) -> None:
        self.heading = heading
        self.rows = rows


class Page:
    """``summary``, ``examples`` and ``description`` of a docstring without its indentation."""

    def __init__(self, text: str) -> None:
        self.summary = ""
        self.examples: list[Row] = []
        self.description: list[str | Rows] = []
        for chunk in text.strip().replace("\n\b\n", "\n\n\b\n").split("\n\n"):
            chunk = chunk.strip("\n")
            if not chunk.startswith("\b"):
                self._add(" ".join(chunk.split()))
                continue
            block = _rows(chunk.splitlines()[1:])
            if block.heading in ("Example", EXAMPLES):
                self.examples += block.rows
            else:
                self.description.append(block)

    def _add(self, text: str) -> None:
        if not self.summary:
            self.summary = text
        elif text:
            self.description.append(text)

    def texts(self) -> Iterator[str]:
        """What is to be translated."""
        yield self.summary
        yield from (text for row in self.examples for text in _texts(row))
        for block in self.description:
            if isinstance(block, Rows):
                if block.heading:
                    yield block.heading
                yield from (text for row in block.rows for text in _texts(row))
            else:
                yield block


def written(
    usage: str,
    page: Page,
    sections: Sequence[tuple[str, list[Row]]],
    width: int,
    say: Say,
) -> str:
    """The whole page. ``sections`` are headings with their rows, already said in a language."""
    prefix = f"{say(USAGE)} "
    hanging = layout.wrap(usage, width - len(prefix))
    lines = [prefix + hanging[0], *(" " * len(prefix) + line for line in hanging[1:])]
    if page.summary:
        lines += ["", *layout.paragraph(say(page.summary), width)]
    if page.examples:
        rows = [said(row, say) for row in page.examples]
        lines += _headed(say(EXAMPLES), layout.examples(rows, width), say)
    if page.description:
        lines += _headed(say(DESCRIPTION), _description(page.description, width, say), say)
    for heading, rows in sections:
        if rows:
            lines += _headed(heading, layout.definitions(rows, width), say)
    return "\n".join(lines)


def _headed(heading: str, lines: list[str], say: Say) -> list[str]:
    """An empty line, a heading, and what stands under it."""
    return ["", say(HEADED).format(heading=heading), *lines]


def prose(text: str, width: int, say: Say) -> str:
    """A text in the form of a docstring, as paragraphs and rows without any heading."""
    whole = Page(text)
    return "\n".join(_description([whole.summary, *whole.description], width, say))


def said(row: Row, say: Say) -> Row:
    """A row with what is for people in their language."""
    left, right = row
    return (say(left) if _is_remark(left) else left), (say(right) if right else "")


def first_sentence(text: str) -> str:
    """What a list of commands says of one."""
    return text.partition(". ")[0].rstrip(".") + "."


def _description(blocks: list[str | Rows], width: int, say: Say) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if lines:
            lines.append("")
        if isinstance(block, str):
            lines += layout.paragraph(say(block), width)
            continue
        if block.heading:
            lines.append("  " + say(HEADED).format(heading=say(block.heading)))
        rows = [said(row, say) for row in block.rows]
        lines += layout.definitions(rows, width, widest=36, indent=4)
    return lines


def _texts(row: Row) -> Iterator[str]:
    left, right = row
    if _is_remark(left):
        yield left
    if right:
        yield right


def _is_remark(left: str) -> bool:
    return left.startswith("(")


def _rows(lines: list[str]) -> Rows:
    heading = ""
    if lines and lines[0].endswith(":"):
        heading, lines = lines[0].strip()[:-1], lines[1:]
    margin = min((len(line) - len(line.lstrip()) for line in lines), default=0)
    rows: list[Row] = []
    for line in lines:
        text = line[margin:]
        if rows and rows[-1][0].endswith("\\"):
            rows.append((text, ""))  # the rest of a command
        elif rows and text.startswith("  "):
            left, right = rows[-1]  # the rest of what is on the right
            rows[-1] = (left, f"{right} {text.strip()}")
        else:
            left, _, right = text.partition("  ")
            rows.append((left, right.strip()))
    return Rows(heading, rows)
