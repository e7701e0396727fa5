"""Makes data that fits the document fit what JSON Schema has no words for, too: columns of one length, tensors of as
many values as their shape says, whole numbers without a point. Data that is meant to be wrong is left as it is.
"""

import itertools

import schemathesis

ROWS = 2
LARGEST = 1e30
FILLS = {"BOOL": False, "BYTES": "", "INT64": 0, "FP32": 0.5, "FP64": 0.5}
SHAPES = {"v": [2], "r": [1], "n": [1]}  # behind the rows
REQUIRED = {"echo": "i"}


@schemathesis.hook
def before_call(context, case, kwargs):
    """One request."""
    body = case.body
    if not isinstance(body, dict) or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    case.body = body = whole(body)
    if isinstance(body.get("inputs"), dict):
        shortest = min(map(len, body["inputs"].values()))
        body["inputs"] = {name: column[:shortest] for name, column in body["inputs"].items()}
    elif isinstance(body.get("inputs"), list):
        body["inputs"] = tensors(body["inputs"], REQUIRED.get(case.path.split("/")[3]))
    elif isinstance(body.get("examples"), list):
        body.pop("context", None)
    if isinstance(body.get("outputs"), list):
        body["outputs"] = list({output["name"]: output for output in body["outputs"]}.values())


def tensors(given, required):
    """Tensors of `ROWS` rows, each name once, none beside what it belongs to."""
    by_name = {tensor["name"]: dict(tensor) for tensor in given}
    if required:
        by_name.setdefault(required, {"name": required, "datatype": "INT64", "data": []})
    made = []
    for name, tensor in by_name.items():
        feature, _, end = name.partition(":")
        if feature not in by_name:
            continue
        more = SHAPES.get(feature, []) if not end else []
        count = ROWS * (more[0] if more else 1)
        values = flat(tensor.get("data") or []) if end != "length" else []
        fill = itertools.repeat(FILLS[tensor["datatype"]])
        tensor |= {"shape": [ROWS, *more], "data": list(itertools.islice(itertools.chain(values, fill), count))}
        tensor.pop("parameters", None)
        made.append(tensor)
    return made or [{"name": "fare", "datatype": "FP64", "shape": [1], "data": [0.5]}]


def flat(data):
    """Nested data as one list."""
    return [x for value in data for x in (flat(value) if isinstance(value, list) else [value])]


def whole(value):
    """To JSON Schema 1.0 is an integer, the server tells 1 and 1.0 apart; and the model's floats end at 3.4e38."""
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [whole(inner) for inner in value]
    if not isinstance(value, float) or abs(value) > LARGEST:
        return value if isinstance(value, (bool, int, str)) or value is None else LARGEST
    return int(value) if value.is_integer() and abs(value) < 2**63 else value
