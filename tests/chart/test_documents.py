"""Generated files are those that would be generated now."""

import re

import pytest
import yaml
from chart import ROOT, check, render
from documents import FILES, README, VALUES, documented

PAGE = (ROOT / "docs" / "KUBERNETES.md").read_text()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_generated_file_is_up_to_date(file):
    assert file.read_text() == FILES[file](), f"{file.name} is out of date: run tests/chart/run --renew"


def test_every_value_is_documented_once():
    paths = [path for path, _ in documented(VALUES.read_text())]
    assert len(paths) == len(set(paths)) > 50


def test_a_value_without_a_comment_is_noticed():
    with pytest.raises(ValueError, match="service.port has no"):
        list(documented("service:\n  # -- Type\n  type: ClusterIP\n  port: 80\n"))


def test_what_is_within_a_documented_value_needs_no_comment():
    assert list(documented("# -- Times\nprobe:\n  seconds: 2\n")) == [("probe", "Times")]


def told_values():
    """Values that docs/KUBERNETES.md tells, as far as they are values of the chart and not parts of `config`."""
    own = yaml.safe_load(VALUES.read_text())
    tasks = PAGE.split("\n## By task\n")[1].split("\n## ")[0]
    quoted = [text for text in re.findall(r"`([^`]+)`", tasks) if re.match(r"\w+: ", text)]
    return [text for text in quoted if text.split(":")[0] in own]


@pytest.mark.parametrize("text", told_values())
def test_values_told_for_a_task_are_taken(text, tmp_path):
    rendering = render(yaml.safe_load(text))
    assert check(rendering, tmp_path).returncode == 0


def test_there_are_such_values():
    assert len(told_values()) >= 8


def test_the_values_file_told_is_taken(tmp_path):
    example = PAGE.split("```yaml\n")[1].split("```")[0]
    rendering = render(yaml.safe_load(example))
    done = check(rendering, tmp_path)
    assert done.returncode == 0 and "name: design" in done.stdout
    assert rendering.container["image"].startswith("registry.example.com/evolink-gateway:")


def test_links_of_the_charts_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README.read_text().split("<!-- values")[0])
    assert links and all((README.parent / link).exists() for link in links)


def test_values_named_in_the_page_exist():
    paths = {path for path, _ in documented(VALUES.read_text())}
    sections = {path.split(".")[0] for path in paths if "." in path}
    named = [text for text in re.findall(r"`([a-z]\w+\.\w+)`", PAGE) if text.split(".")[0] in sections]
    assert named and not [text for text in named if text not in paths]
