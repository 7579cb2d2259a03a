r"""Reads a filter in SQL's words, such as ``metadata->>'category' = 'financial' AND (metadata->>'year')::int > 2020``.

The text is taken apart and only what is on the list below is understood; nothing of it ever reaches a statement as it
stands. Grammar::

    any        = all { OR all }
    all        = not { AND not }
    not        = NOT not | "(" any ")" | comparison
    comparison = field ( = | <> | != | < | <= | > | >= ) literal | literal ( ... ) field
               | field [NOT] IN "(" literal { "," literal } ")"
               | field [NOT] BETWEEN literal AND literal
               | field [NOT] ( LIKE | ILIKE ) 'pattern'
               | field IS [NOT] NULL
               | field @> 'json' | field ? 'key'
    field      = column { -> key | ->> key | #> '{a,b}' | #>> '{a,b}' } [ :: type ] | "(" field ")" [ :: type ]
    literal    = 'text' | number | TRUE | FALSE
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NoReturn, cast

from kailash_studio.errors import ParameterError
from kailash_studio.services.vectors.conditions import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_TERMS,
    Cast,
    Compare,
    Contains,
    Field,
    HasKey,
    IsNull,
    Like,
    Not,
    Operator,
    Term,
    Value,
    joined,
    sendable,
)

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<comment>--|/\*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|"(?:[^"]|"")+")
    |(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?(?![A-Za-z0-9_]))
    |(?P<sign>->>|->|\#>>|\#>|::|@>|<=|>=|<>|!=|[=<>(),?+-])""",
    re.VERBOSE,
)
_OPERATORS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "ILIKE", "BETWEEN", "TRUE", "FALSE"})
_CASTS: dict[str, Cast] = {
    **dict.fromkeys(("text", "varchar"), "text"),
    **dict.fromkeys(
        ("int", "integer", "int2", "int4", "int8", "smallint", "bigint", "numeric", "decimal", "real", "float"),
        "number",
    ),
    **dict.fromkeys(("float4", "float8", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    "date": "date",
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, name, number, sign, end
    word: str
    at: int

    @property
    def keyword(self) -> str:
        upper = self.word.upper()
        return upper if self.kind == "name" and upper in _KEYWORDS else ""


def read_text(text: str) -> Term:
    """What a filter says.

    Raises:
        ParameterError: It is not understood; the sentence has the place and the reason.
    """
    if len(text) > MAX_LENGTH:
        raise ParameterError(f"The filter has {len(text):,} characters: use at most {MAX_LENGTH:,}.")
    reader = _Reader(_tokens(sendable(text)))
    return reader.whole()


def _refuse(token: _Token, reason: str) -> NoReturn:
    what = "at its end" if token.kind == "end" else f"at character {token.at + 1} ({token.word[:30]})"
    raise ParameterError(f"The filter is not understood {what}: {reason}.")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            token = _Token("sign", text[at], at)
            match text[at]:
                case "'":
                    _refuse(token, "a text is opened and not closed")
                case ";":
                    _refuse(token, "it is one condition, not several statements")
                case "$":
                    _refuse(token, "write values into the filter itself, in single quotes")
                case _:
                    _refuse(token, "this character has no meaning in a filter")
        kind = cast(str, match.lastgroup)
        token = _Token(kind, match.group(), at)
        if kind == "comment":
            _refuse(token, "comments have no place in a filter")
        if found and kind in {"text", "name", "number"} and found[-1].kind in {"text", "name"}:
            before = found[-1]
            if before.at + len(before.word) == at:  # E'...', U&"...", 'a''b' are all other things than they seem
                _refuse(token, "something is missing between this and what stands before it")
        if kind != "space":
            found.append(token)
        at = match.end()
    found.append(_Token("end", "", at))
    return found


class _Reader:
    """Recursive descent over the tokens, one token ahead."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._terms = 0

    def whole(self) -> Term:
        if self._now.kind == "end":
            _refuse(self._now, "it is empty; leave it out to search everything")
        term = self._any()
        if self._now.kind != "end":
            _refuse(self._now, "AND, OR or the end was expected")
        return term

    # ------------------------------------------------------------------ tokens
    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._now
        self._next += token.kind != "end"
        return token

    def _sign(self, *words: str) -> str:
        """The sign that comes next, taken, if it is one of these; else an empty text."""
        if self._now.kind == "sign" and self._now.word in words:
            return self._take().word
        return ""

    def _keyword(self, *words: str) -> str:
        return self._take().keyword if self._now.keyword in words and self._now.keyword else ""

    def _need(self, word: str) -> None:
        if not (self._sign(word) or self._keyword(word)):
            _refuse(self._now, f"{word} was expected")

    def _count(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            _refuse(self._now, f"it has more than {MAX_TERMS} terms")

    # ------------------------------------------------------------------ terms
    def _any(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(self._now, f"it is nested deeper than {MAX_DEPTH} levels")
        terms = [self._all()]
        while self._keyword("OR"):
            terms.append(self._all())
        self._depth -= 1
        return joined("OR", terms)

    def _all(self) -> Term:
        terms = [self._not()]
        while self._keyword("AND"):
            terms.append(self._not())
        return joined("AND", terms)

    def _not(self) -> Term:
        negations = 0
        while self._keyword("NOT"):
            negations += 1
        term = self._comparison() if self._is_comparison() else self._bracketed()
        return Not(term) if negations % 2 else term

    def _bracketed(self) -> Term:
        self._need("(")
        term = self._any()
        self._need(")")
        return term

    def _is_comparison(self) -> bool:
        """Whether what comes is no bracket around terms; ``(metadata->>'year')::int`` begins with one too."""
        at = self._next
        while self._tokens[at].word == "(" and self._tokens[at].kind == "sign":
            at += 1
        if at == self._next:
            return True
        depth = at - self._next
        while self._tokens[at].kind != "end" and depth:
            token = self._tokens[at]
            if (token.kind == "sign" and token.word in _OPERATORS) or token.keyword or token.word in {"?", "@>"}:
                return False
            depth += (token.word == "(") - (token.word == ")") if token.kind == "sign" else 0
            at += 1
        return True

    def _comparison(self) -> Term:
        self._count()
        if (
            self._now.kind in {"text", "number"}
            or self._now.keyword in {"TRUE", "FALSE"}
            or self._now.word in {"-", "+"}
        ):
            value = self._literal()
            operator = self._operator()
            return Compare(self._field(), cast(Operator, _MIRRORED[operator]), value)
        field = self._field()
        if self._keyword("IS"):
            negated = bool(self._keyword("NOT"))
            self._need("NULL")
            return _negated(IsNull(field), negated)
        negated = bool(self._keyword("NOT"))
        match self._keyword("IN", "BETWEEN", "LIKE", "ILIKE"):
            case "IN":
                return _negated(joined("OR", [Compare(field, "=", value) for value in self._list()]), negated)
            case "BETWEEN":
                low = Compare(field, ">=", self._literal())
                self._need("AND")
                return _negated(joined("AND", [low, Compare(field, "<=", self._literal())]), negated)
            case "LIKE" | "ILIKE" as word:
                return _negated(Like(field, self._text(), word == "ILIKE"), negated)
        if negated:
            _refuse(self._now, "IN, BETWEEN, LIKE or ILIKE was expected after NOT")
        if self._sign("@>"):
            return Contains(field, self._json())
        if self._sign("?"):
            return HasKey(field, self._text())
        operator = self._operator()
        token = self._now
        if token.keyword == "NULL":
            _refuse(token, "nothing equals NULL: write IS NULL or IS NOT NULL")
        return Compare(field, cast(Operator, operator), self._literal())

    def _operator(self) -> str:
        word = self._sign(*_OPERATORS)
        if not word:
            _refuse(self._now, "a comparison was expected: =, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, @> or ?")
        return _OPERATORS[word]

    # ------------------------------------------------------------------ fields and literals
    def _field(self) -> Field:
        if self._sign("("):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                _refuse(self._now, f"it is nested deeper than {MAX_DEPTH} levels")
            field = self._field()
            self._depth -= 1
            self._need(")")
        else:
            token = self._take()
            if token.kind != "name" or token.keyword:
                _refuse(token, "the name of a column was expected")
            quoted = token.word.startswith('"')
            name = token.word[1:-1].replace('""', '"') if quoted else token.word.lower()
            if self._now.word == "(" and self._now.kind == "sign":
                _refuse(token, "functions have no place in a filter")
            field = Field(name)
        while word := self._sign("->", "->>", "#>", "#>>"):
            if field.text or field.cast:
                _refuse(self._now, "only -> and #> lead further into JSON; ->> and :: end the way")
            steps = self._steps() if word.startswith("#") else (self._key(),)
            field = Field(field.column, field.path + steps, text=word.endswith(">>"))
        if self._sign("::"):
            field = self._casted(field)
        return field

    def _casted(self, field: Field) -> Field:
        token = self._take()
        known = _CASTS.get(token.word.lower()) if token.kind == "name" else None
        if known is None:
            _refuse(token, "a value can be read as text, int, numeric, float, boolean or date")
        if token.word.lower() == "double" and self._take().word.lower() != "precision":
            _refuse(token, "the type is called double precision")
        if field.cast:
            _refuse(token, "one :: is enough")
        return replace(field, cast=known)

    def _key(self) -> str:
        negative = self._sign("-")
        token = self._take()
        if token.kind == "number" and token.word.isdigit():
            return negative + token.word
        if token.kind != "text" or negative:
            _refuse(token, "the name of a key in single quotes, or the number of an element, was expected")
        return _unquoted(token)

    def _steps(self) -> tuple[str, ...]:
        token = self._take()
        text = _unquoted(token) if token.kind == "text" else ""
        if not re.fullmatch(r"\{[^{}\"\\]*\}", text):
            _refuse(token, "a path such as '{author,name}' was expected")
        return tuple(step.strip() for step in text[1:-1].split(",")) if text != "{}" else ()

    def _literal(self) -> Value:
        sign = self._sign("-", "+")
        token = self._take()
        if token.kind == "number":
            number = Decimal(token.word)
            return -number if sign == "-" else number
        if sign:
            _refuse(token, "a number was expected after the sign")
        if token.kind == "text":
            return _unquoted(token)
        if token.keyword in {"TRUE", "FALSE"}:
            return token.keyword == "TRUE"
        if token.kind == "name" and not token.keyword:
            _refuse(
                token,
                "a value was expected: texts stand in single quotes, and columns are not compared with each other",
            )
        _refuse(token, "a value was expected: 'text', a number, TRUE or FALSE")

    def _text(self) -> str:
        token = self._take()
        if token.kind != "text":
            _refuse(token, "a text in single quotes was expected")
        return _unquoted(token)

    def _json(self) -> str:
        token = self._now
        text = self._text()
        try:
            json.loads(text, parse_constant=lambda word: _refuse(token, f"{word} is no JSON"))
        except (ValueError, RecursionError):
            _refuse(token, "what stands right of @> is no JSON text")
        if self._sign("::") and self._take().word.lower() not in {"jsonb", "json"}:
            _refuse(token, "what stands right of @> is JSON")
        return text

    def _list(self) -> list[Value]:
        self._need("(")
        values = [self._literal()]
        while self._sign(","):
            self._count()
            values.append(self._literal())
        self._need(")")
        return values


def _negated(term: Term, negated: bool) -> Term:
    return Not(term) if negated else term


def _unquoted(token: _Token) -> str:
    return token.word[1:-1].replace("''", "'")
