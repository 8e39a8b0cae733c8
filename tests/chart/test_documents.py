"""Generated files are those that would be generated now."""

import pytest
from documents import FILES, VALUES, documented


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
