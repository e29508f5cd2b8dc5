"""Where a value stands in a message: a path of elements, perhaps to an attribute.

``parent.element`` names children by local name, ``parent.@name`` an attribute,
``parents.parent[].element`` a list whose items are the ``parent``; ``.`` is the element that
the body holds itself, ``.@name`` an attribute of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from ...text import printable

OWN_TEXT = ""  # the key of an element's own text among its children and attributes
_STEP = re.compile(r"([^\W\d][\w\-]*(?<!-))(\[\])?")


@dataclass(frozen=True)
class ElementPath:
    """``steps`` are elements, ``attribute`` one of the last of them.

    ``repeated`` is the index of the step that occurs once for each item of a list.
    """

    steps: tuple[str, ...]
    attribute: str = ""
    repeated: int = -1

    @classmethod
    def parse(cls, text: str) -> ElementPath:
        """Read a path as a mapping file writes it. Raises ValueError."""
        if text == ".":
            return cls(())
        elements, at, attribute = text.partition("@")
        if at and not _STEP.fullmatch(attribute):
            raise ValueError(text)
        if at and elements not in ("", "."):
            if not elements.endswith("."):
                raise ValueError(text)
            elements = elements[:-1]
        found = [] if elements in ("", ".") and at else elements.split(".")
        matches = [_STEP.fullmatch(step) for step in found]
        if not all(matches):
            raise ValueError(text)
        steps = tuple(match[1] for match in matches if match)
        marked = [index for index, match in enumerate(matches) if match and match[2]]
        if len(marked) > 1:
            raise ValueError(text)
        return cls(steps, attribute, marked[0] if marked else len(steps) - 1)

    def __str__(self) -> str:
        last = len(self.steps) - 1
        steps = [
            f"{step}[]" if index == self.repeated != last else step
            for index, step in enumerate(self.steps)
        ]
        if self.attribute:
            steps.append(f"@{self.attribute}")
        return ".".join(steps) or "."

    @property
    def keys(self) -> tuple[str, ...]:
        """The steps, an attribute as ``@name``: the keys of a tree of values."""
        return (*self.steps, f"@{self.attribute}") if self.attribute else self.steps

    @property
    def name(self) -> str:
        """The last name on the way."""
        return self.attribute or (self.steps[-1] if self.steps else "")

    def find(self, element: etree._Element) -> list[Spot]:
        """What is there below ``element``, in document order."""
        found = [element]
        for step in self.steps:
            found = [child for parent in found for child in parent if local_name(child) == step]
        if not self.attribute:
            return [Spot(item) for item in found]
        return [
            Spot(item, str(name))
            for item in found
            for name in item.attrib
            if etree.QName(name).localname == self.attribute
        ]


@dataclass(frozen=True)
class Spot:
    """An element of a message, or one of its attributes."""

    element: etree._Element
    attribute: str = ""

    @property
    def name(self) -> str:
        """Its local name."""
        return etree.QName(self.attribute).localname if self.attribute else local_name(self.element)

    @property
    def text(self) -> str:
        """What it says, without what a terminal would obey."""
        own = self.element.get(self.attribute) if self.attribute else self.element.text
        return printable(own or "")

    @property
    def has_children(self) -> bool:
        return not self.attribute and len(self.element) > 0

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: no text, no child, no attribute but ``xsi:nil``."""
        if self.text or self.has_children:
            return False
        if self.attribute:
            return True
        return all(etree.QName(name).namespace == _XSI for name in self.element.attrib)


_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace; "" for a comment and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
