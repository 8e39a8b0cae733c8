"""The files that follow from others: the chart's README and schema, and the rendered default.

Run as a program it writes them anew (`tests/chart/run --renew`); the tests compare.
"""

import json
import re

import yaml

from chart import CHART, GATEWAY, ROOT, render, run

VALUES = CHART / "values.yaml"
README = CHART / "README.md"
SCHEMA = CHART / "values.schema.json"
SNAPSHOT = ROOT / "tests" / "chart" / "default.yaml"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):( |$)")
# Told by the configuration's own documents; without them the schema changes only when a setting does.
UNTOLD = ("description", "default", "$schema")


def documented(text):
    """(path, description) of every value with a `# --` comment above it; one without and within none is a mistake."""
    path, comment, below = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#"):
            comment += [stripped.removeprefix("# ")] if comment else []
        elif match := KEY.match(line):
            depth, key = len(match[1]) // 2, match[2]
            if below is not None and depth > below:
                continue
            path, below = [*path[:depth], key], None
            if comment:
                yield ".".join(path), " ".join(comment)
                comment, below = [], depth
            elif line.rstrip() != f"{match[1]}{key}:":
                raise ValueError(f"values.yaml:{number}: {'.'.join(path)} has no `# --` comment")
        elif not stripped:
            comment = []


def table():
    text = VALUES.read_text()
    values = yaml.safe_load(text)
    rows = ["| value | default | |", "| --- | --- | --- |"]
    for path, description in documented(text):
        value = values
        for step in path.split("."):
            value = value[step]
        rows.append(f"| `{path}` | `{json.dumps(value, ensure_ascii=False)}` | {description.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def readme():
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + table() + "\n" + END + after


def without_words(schema):
    if isinstance(schema, list):
        return [without_words(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: without_words(value) for key, value in schema.items() if key not in UNTOLD}
    # Settings may be called as the words are.
    if isinstance(schema.get("properties"), dict):
        kept["properties"] = {key: without_words(value) for key, value in schema["properties"].items()}
    return kept


def schema():
    """The chart's schema, with the gateway's own one as that of `config`."""
    told = run(GATEWAY, "schema")
    assert told.returncode == 0, told.stderr
    own = json.loads(SCHEMA.read_text())
    own["properties"]["config"] = without_words(json.loads(told.stdout))
    return json.dumps(own, indent=2, ensure_ascii=False) + "\n"


def snapshot():
    return render().text


FILES = {SCHEMA: schema, README: readme, SNAPSHOT: snapshot}

if __name__ == "__main__":
    for file, made in FILES.items():
        file.write_text(made())
