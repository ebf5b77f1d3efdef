"""Documents of XML that come in. They are read by defusedxml, which expands nothing and fetches nothing."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from defusedxml.ElementTree import ParseError, fromstring

from edge_agent.errors import ServiceRefused


def parse(document: bytes) -> Element:
    """Read a document; ServiceRefused where that can't be done."""
    try:
        root: Element = fromstring(document, forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise ServiceRefused("MalformedXML", f"the document can't be read: {error}") from None
    return root


def name_of(element: Element) -> str:
    """Give an element's name, whatever its namespace."""
    return element.tag.rpartition("}")[2]


def value_of(element: Element, name: str) -> str:
    """Give the text of the first child of that name, empty where there is none."""
    return next((each.text or "" for each in element if name_of(each) == name), "")
