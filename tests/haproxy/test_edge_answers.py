"""What the edge cache says to whom: 304, HEAD, encodings, request ids, and what writers may do there."""

import gzip

import pytest

from tests.haproxy.edge import Edge
from tests.haproxy.origin import Answer, Origin, Seen, catalogue
from tests.haproxy.test_edge_cache import PUBLIC, numbered


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"0", "1"', "*"])
async def test_the_edge_says_304_to_those_who_have_it(edge: Edge, origin: Origin, book_path: str, known: str) -> None:
    # given
    numbered(origin)
    await edge.client.get(book_path)
    # when
    answer = await edge.client.get(book_path, headers={"If-None-Match": known})
    # then
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", '"1"')
    assert (answer.headers["cache-status"], answer.headers["cache-control"]) == ("haproxy; hit", PUBLIC)
    assert "content-length" not in answer.headers  # some clients would wait for a body
    assert len(origin.seen) == 1


async def test_the_edge_sends_the_answer_to_those_who_have_another(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    await edge.client.get(book_path)
    # when
    answer = await edge.client.get(book_path, headers={"If-None-Match": '"0"'})
    # then
    assert (answer.status_code, answer.text, answer.headers["cache-status"]) == (200, "1", "haproxy; hit")


async def test_head_is_answered_from_what_get_stored(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    got = await edge.client.get(book_path)
    # when
    head = await edge.client.head(book_path)
    # then
    assert (head.status_code, head.content) == (200, b"")
    assert (head.headers["etag"], head.headers["content-length"]) == (got.headers["etag"], "1")
    assert head.headers["cache-status"] == "haproxy; hit"
    assert [seen.method for seen in origin.seen] == ["GET"]


async def test_both_encodings_are_kept_side_by_side(edge: Edge, origin: Origin, book_path: str) -> None:
    # given a replica that compresses where it is asked to
    async def script(seen: Seen) -> Answer:
        squeezed = seen.headers.get("accept-encoding") == "gzip"
        plain = catalogue(b"plain", etag='"plain"', Vary="Accept-Encoding")
        if not squeezed:
            return plain
        fields = {**plain.headers, "Content-Encoding": "gzip", "ETag": '"squeezed"'}
        return Answer(body=gzip.compress(b"plain"), headers=fields)

    origin.script = script  # type: ignore[method-assign]
    asked = [None, "gzip, deflate, br", "br", "GZIP;q=0.5", "gzip;q=0", "identity"]
    # when
    rounds = [
        [await edge.client.get(book_path, headers={"Accept-Encoding": wish} if wish else {}) for wish in asked]
        for _ in range(2)
    ]
    # then
    expected = ['"plain"', '"squeezed"', '"plain"', '"squeezed"', '"plain"', '"plain"']
    assert [[answer.headers["etag"] for answer in answers] for answers in rounds] == [expected, expected]
    assert {answer.text for answers in rounds for answer in answers} == {"plain"}
    assert {answer.headers["vary"] for answers in rounds for answer in answers} == {"Accept-Encoding"}
    assert {answer.headers["cache-status"] for answer in rounds[1]} == {"haproxy; hit"}
    assert len(origin.seen) == 2


async def test_the_longest_cursor_passes_both_ways(edge: Edge, origin: Origin) -> None:
    # given: of a title of 500 letters of those that grow most
    link = f"/api/v1/books?sort=title&cursor={'x' * 22_200}"

    async def script(seen: Seen) -> Answer:
        return catalogue(Link=f'<{link}>; rel="next"')

    origin.script = script  # type: ignore[method-assign]
    # when
    answers = [await edge.client.get("/api/v1/books?sort=title") for _ in range(2)]
    further = await edge.client.get(answers[1].links["next"]["url"])
    # then
    assert [answer.status_code for answer in (*answers, further)] == [200] * 3
    assert answers[1].headers["cache-status"] == "haproxy; hit"
    assert origin.seen[-1].target == link


async def test_the_edge_still_answers_while_no_replica_does(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    await edge.client.get(book_path)
    # when
    await origin.stop()
    # then
    answer = await edge.client.get(book_path)
    assert (answer.status_code, answer.headers["cache-status"]) == (200, "haproxy; hit")


async def test_a_client_may_ask_past_the_cache(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    await edge.client.get(book_path)
    # when
    answer = await edge.client.get(book_path, headers={"Cache-Control": "no-cache"})
    # then
    assert answer.text == "2"


async def test_hits_carry_the_request_id_of_their_own_request(edge: Edge, origin: Origin, book_path: str) -> None:
    # given
    numbered(origin)
    ids = ["first-asker", "second-asker"]
    # when
    answers = [await edge.client.get(book_path, headers={"X-Request-ID": given}) for given in ids]
    # then
    assert [answer.headers.get_list("x-request-id") for answer in answers] == [["first-asker"], ["second-asker"]]


async def test_a_writer_may_set_generations_and_no_more(edge: Edge) -> None:
    # when
    refused = [
        await edge.runtime(command) for command in ("disable server api/api-1", "shutdown sessions server api/api-1")
    ]
    unknown = await edge.runtime("set table nowhere key a data.gpt0 1")
    # then
    assert [reply.strip() for reply in refused] == ["Permission denied"] * 2
    assert unknown.strip() == "No such table"
