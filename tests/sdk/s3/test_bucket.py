"""Pictures in a bucket: where they are, that they outlive upstream, and what becomes of answers when the bucket fails."""

from __future__ import annotations

import time

from pictures import assert_picture
from weed import SECRET

DELAY_MAX_S = 20.0  # of an answer, its task included, that waits for a bucket in vain
SWEEP_DEADLINE_S = 60.0


def test_a_picture_is_in_the_bucket_under_its_hash(house, weed, prompt):
    picture = house.draw(prompt)
    stored = weed.appears(house.key(picture), picture)
    assert stored is not None
    assert stored.headers["content-type"] == "image/png"
    assert list(weed.sizes(house.prefix)) == [house.key(picture)], "and nothing else"


def test_a_restarted_gateway_answers_from_the_bucket_without_upstream(house, prompt):
    picture = house.draw_and_store(prompt)
    house.stop_gateway()
    house.simulator.stop()
    house.start_gateway()
    assert house.draw(prompt) == picture
    assert house.failures("get", "failing") == 0


def test_a_damaged_object_is_noticed_and_stored_anew(house, weed, prompt):
    picture = house.draw_and_store(prompt)
    flipped = bytes([picture[0] ^ 1]) + picture[1:]
    for damage in (flipped, picture[: len(picture) // 2], b"<html>no picture</html>"):
        house.restart()
        weed.put(house.key(picture), damage)
        assert house.draw(prompt) == picture
        assert house.failures("get", "damaged") == 1
        assert weed.appears(house.key(picture), picture), "it was never stored again"
    assert len(house.tasks(prompt)) == 1, "and nothing is bought for it"


def test_an_object_that_is_gone_is_fetched_and_stored_anew(house, weed, prompt):
    picture = house.draw_and_store(prompt)
    house.restart()
    weed.http.delete(f"{weed.files}/{house.key(picture)}").raise_for_status()
    assert house.draw(prompt) == picture
    assert weed.appears(house.key(picture), picture)
    assert len(house.tasks(prompt)) == 1


def test_a_bucket_out_of_reach_fails_and_delays_nobody(house, weed, new_prompt):
    before = new_prompt()
    old = house.draw_and_store(before)
    weed.stop()
    try:
        began = time.monotonic()
        new = house.draw(new_prompt())
        assert house.draw(before) == old, "by its link"
        assert time.monotonic() - began < DELAY_MAX_S
        assert_picture(new, "816x816")
        assert house.fails_soon("put", "failing", "slow")
        assert house.ready() == 200, "another replica could do no better"
        assert_picture(house.draw(new_prompt()), "816x816")
    finally:
        weed.start()
    assert weed.appears(house.key(new), new), "it was never stored"


def test_a_wrong_secret_is_told_and_fails_nobody(new_house, weed, prompt):
    house = new_house(S3_SECRET="another-secret-nobody-logs")
    assert_picture(house.draw(prompt), "816x816")
    assert house.fails_soon("put", "read_only")
    assert weed.sizes(house.prefix) == {}
    assert house.says_soon("pictures cannot be stored")
    assert "nobody-logs" not in house.log()


def test_of_too_many_pictures_the_oldest_go(new_house, weed, new_prompt):
    house = new_house(MAX_SIZE="1MiB")
    foreign = f"{house.prefix}/notes.txt"
    weed.put(foreign, b"not the gateway's")
    drawn = []
    while sum(map(len, drawn)) < 3 << 20:
        drawn.append(house.draw(new_prompt(), "1024x1024"))
    deadline = time.monotonic() + SWEEP_DEADLINE_S
    while sum((sizes := weed.sizes(house.prefix)).values()) > 1 << 20 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sum(sizes.values()) <= 1 << 20
    assert foreign in sizes
    assert house.key(drawn[0]) not in sizes


def test_the_secret_is_in_no_log(house, prompt):
    house.draw_and_store(prompt)
    assert SECRET not in house.log()
