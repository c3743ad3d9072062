from shopkeeper.collect.masked import masked_message


def test_keys_and_kinds_stay_and_what_was_written_goes() -> None:
    message = {
        "type": "track",
        "event": "order completed",
        "userId": "13812345678",
        "properties": {"price": 12.5, "gift": True, "note": "为王小明", "13812345678": None},
    }
    assert masked_message(message) == {
        "type": "track",
        "event": "Order Completed",
        "userId": "19999999999",
        "properties": {"price": "19.9", "gift": True, "note": "为字字字", "19999999999": None},
    }


def test_a_name_that_is_not_ours_and_what_is_no_object_are_masked() -> None:
    assert masked_message({"type": "told", "event": "Wang Xiaoming"}) == {"type": "txxx", "event": "Wxxx xxxxxxxx"}
    assert masked_message("13812345678") == "19999999999"
    assert masked_message({"event": ["a"], "type": None}) == {"event": ["x"], "type": None}


def test_what_is_endless_is_cut() -> None:
    nested: list[object] = []
    for _ in range(100):
        nested = [nested]
    assert "…" in str(masked_message(nested))
    assert len(masked_message(list(range(1_000)))) == 201
    assert masked_message({f"k{number}": 1 for number in range(201)})["…"] == 1
