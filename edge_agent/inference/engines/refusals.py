"""What it means when ONNX Runtime refuses a file: what the file asks for, what this runtime takes, what to do.

Its own words stand behind that, in brackets. They were read from its source (core/graph/model.cc, model_load_utils.h,
graph.cc and core/framework/session_state.cc) and tried with 1.32; words that are not known are passed on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: stands in a message for a type that whoever has the file in memory can name
ITS_TYPE = "the type of its values"
_MOST = 400  # characters of ONNX Runtime's own text
#: what its words begin with: kind of error, file and line, and the signature of a function
_PREFIX = re.compile(
    r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(Load model from .*? failed:\s*)?"
    r"(.*?/onnxruntime_src/\S+ .*?\) (?=[A-Z]))?"
)


def explain(said: str, name: str, version: str) -> str:
    """Say in one sentence why ONNX Runtime `version` refuses the file `name`, and how it said that."""
    text = _PREFIX.sub("", " ".join(said.split()), count=1)
    for pattern, sentence in _KNOWN:
        found = re.search(pattern, text)
        if found:
            return f"{name} {sentence(found, f'ONNX Runtime {version}')} (ONNX Runtime: {text[:_MOST]})"
    return f"ONNX Runtime can't load {name}: {text[:_MOST]}"


def _ir(found: re.Match[str], runtime: str) -> str:
    return (
        f"asks for IR version {found[1]}, {runtime} takes up to {found[2]}: edge-agent import lowers it where nothing "
        "newer is used; otherwise install a newer onnxruntime, or export with an older version of onnx"
    )


def _opset(found: re.Match[str], runtime: str) -> str:
    takes = f" takes up to {found[3]}" if found[3] else " does not know it yet"
    which = f" of {found[2]}" if found[2] and found[2] != "ai.onnx" else ""
    return (
        f"asks for opset {found[1]}{which}, {runtime}{takes}: edge-agent import lowers it where nothing newer is used; "
        "otherwise export with a lower opset_version, or install a newer onnxruntime"
    )


def _foreign(domain: str, operator: str, runtime: str) -> str:
    return (
        f"uses the operator '{operator}' of the domain '{domain}', and {runtime} has ONNX's own operators and "
        "Microsoft's; export it with those alone"
    )


def _unknown(found: re.Match[str], runtime: str) -> str:
    return (
        f"uses the operator '{found[1]}', which {runtime} does not have in opset {found[2]}: export it with ONNX's own "
        "operators, and with the opset_version that they belong to"
    )


def _attribute(found: re.Match[str], runtime: str) -> str:
    return (
        f"gives '{found[1]}' to the operator {found[2]}, which has none in the opset that the file asks for, so "
        f"{runtime} can't run it: export it anew, and change no opset by hand"
    )


def _mixed(found: re.Match[str], runtime: str) -> str:
    node, types = found["node"], " and ".join(_plain(kind) for kind in re.findall(r"tensor\((\w+)\)", found[0]))
    return (
        f"mixes {types} at the node '{node}', where {runtime} takes one type: convert it to float16 as a whole, "
        "weights and values, or export it in float32"
    )


def _kernel(found: re.Match[str], runtime: str) -> str:
    return (
        f"wants {found[1]} at the node '{found[2]}' in {ITS_TYPE}, which {runtime} can't calculate on the processor: "
        "export it in float32"
    )


def _cut_off(found: re.Match[str], runtime: str) -> str:
    return f"is cut off or no ONNX file, so {runtime} can't read it: copy it anew"


def _outside(found: re.Match[str], runtime: str) -> str:
    return (
        f"has weights in another file, which {runtime} can't read: put it beside the model as it was, or import it anew"
    )


def _plain(word: str) -> str:
    return {"float": "float32", "double": "float64"}.get(word, word)


_Sentence = Callable[["re.Match[str]", str], str]
#: what its texts are told by, and the sentence for it
_KNOWN: tuple[tuple[str, _Sentence], ...] = (
    (r"Unsupported model IR version: (\d+), max supported IR version: (\d+)", _ir),
    (r"Opset (\d+) is under development(?:.*?support for domain (\S+) is till opset (\d+))?", _opset),
    (r"Fatal error: ([\w.-]+):(\w+)\(-?\d+\) is not a registered",
     lambda found, runtime: _foreign(found[1], found[2], runtime)),
    (r'In Node, \("[^"]*", (\w+), "([^"]+)", -?\d+\).*(?:No opset import for domain|No Op registered)',
     lambda found, runtime: _foreign(found[2], found[1], runtime)),
    (r"No Op registered for (\w+) with domain_version of (\d+)", _unknown),
    (r"Fatal error: (\w+)\((-?\d+)\) is not a registered", _unknown),
    (r"Unrecognized attribute: (\w+) for operator (\w+)", _attribute),
    (r"bound to different types \(tensor\(\w+\) and tensor\(\w+\)\)? in node \((?P<node>[^)]*)\)", _mixed),
    (r"Type \(tensor\(\w+\)\) of output arg \([^)]*\) of node \((?P<node>[^)]*)\) does not match expected type "
     r"\(tensor\(\w+\)\)", _mixed),
    (r"Could not find an implementation for (\w+)\(\d+\) node with name '([^']*)'", _kernel),
    (r"Protobuf parsing failed|INVALID_PROTOBUF", _cut_off),
    (r"[Ee]xternal (?:data|initializer)|GetFileLength", _outside),
)  # fmt: skip
