"""The hashing vectorizer against its documented formula, written a second time, and values that must never change."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kailash_studio.services.embeddings.hashing import embed, features


def by_hand(named: dict[str, float], dimensions: int) -> list[float]:
    vector = [0.0] * dimensions
    for name, value in named.items():
        hashed = int(hashlib.blake2b(name.encode(), digest_size=8).hexdigest(), 16)
        vector[hashed % dimensions] += value * (1 if hashed < 2**63 else -1)
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def test_the_features_of_a_text_are_those_of_the_formula() -> None:
    twice = 1 + math.log(2)
    assert features("The NAV of the fund, the NAV!") == {
        "w:nav": twice,
        "w:fund": 1.0,
        "p:nav fund": 0.5,
        "p:fund nav": 0.5,
        "c:<fun": 0.3,
        "c:fund": 0.3,
        "c:und>": 0.3,
    }


@pytest.mark.parametrize("text", ["Net asset value", "Straße ﬁnance Ωmega 2024", "aaaa aaaa aaaa"])
@pytest.mark.parametrize("dimensions", [1, 7, 384])
def test_the_vector_is_the_one_of_the_formula(text: str, dimensions: int) -> None:
    assert embed([text], dimensions)[0] == pytest.approx(by_hand(features(text), dimensions))


def test_the_numbers_stay_the_same_for_ever() -> None:
    (vector,) = embed(["Net asset value"], 8)
    assert [round(number, 6) for number in vector] == [
        -0.433013, -0.216506, 0.216506, 0.0, 0.57735, 0.505181, 0.360844, 0.0,
    ]  # fmt: skip


@given(st.text(), st.integers(1, 64))
def test_every_text_has_a_vector_of_length_one_or_none(text: str, dimensions: int) -> None:
    (vector,) = embed([text], dimensions)
    assert len(vector) == dimensions
    length = math.hypot(*vector)
    assert length == pytest.approx(1) or length == 0


def test_case_and_form_of_the_letters_do_not_matter_and_stop_words_say_nothing() -> None:
    first, second = embed(["LIQUIDITY of the Fund", "the liquidity, fund"], 384)
    assert first == second
    assert embed(["the of and"], 4) == [[0.0] * 4]


def test_texts_that_share_words_or_parts_of_words_are_nearer() -> None:
    liquidity, liquid, salaries = embed(
        ["liquidity risk of money market funds", "How liquid are the funds?", "Salaries are paid monthly"], 384
    )

    def near(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert near(liquidity, liquid) > 0.25 > 0.1 > near(liquidity, salaries)
