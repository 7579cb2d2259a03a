"""Makes the sample data of ``resources/sample_data``: ``python packaging/make_sample_data.py``.

Prices are the monthly closes of five shares, 2000 to 2010, from the package ``vega_datasets`` (``stocks.csv``, MIT).
Clients, portfolios and positions are invented, from a fixed seed, so that the same run gives the same files.
"""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
import random
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "sample_data"
SEED = 20100301
PROFILES = ("Conservative", "Balanced", "Growth")
FIRST = [
    "Adair", "Amara", "Anneke", "Basil", "Bianca", "Cato", "Chidi", "Dagny", "Darius", "Edda", "Elio", "Farah",
    "Femi", "Greta", "Hana", "Idris", "Ines", "Jonas", "Kaia", "Lars", "Leila", "Mateo", "Mira", "Nadia", "Nils",
    "Noor", "Odile", "Otto", "Paloma", "Quinn", "Ravi", "Rosa", "Samir", "Selma", "Tariq", "Tove", "Uma", "Viggo",
    "Wren", "Yara",
]  # fmt: skip
LAST = [
    "Abara", "Ahlgren", "Bellamy", "Castellane", "Dragovic", "Ekwueme", "Fairweather", "Grimaldi", "Halloran",
    "Iversen", "Jarvi", "Kestrel", "Lindqvist", "Marchetti", "Nakagawa", "Okonjo", "Pemberton", "Quillfeather",
    "Rasmussen", "Sandoval", "Thorne", "Ueland", "Vasquez", "Winterbourne", "Yilmaz", "Zeller",
]  # fmt: skip
COUNTRIES = ("CH", "DE", "DK", "ES", "FR", "GB", "IT", "NL", "SE", "SG", "US")


def prices() -> list[dict[str, object]]:
    """The monthly closes, dates in ISO form."""
    found = importlib.util.find_spec("vega_datasets")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("Install vega_datasets first: pip install vega_datasets")
    source = Path(found.submodule_search_locations[0]) / "_data" / "stocks.csv"
    with source.open(newline="", encoding="utf-8") as stream:
        return [
            {
                "symbol": row["symbol"],
                "price_date": dt.datetime.strptime(row["date"], "%b %d %Y").date().isoformat(),
                "close_price": f"{float(row['price']):.2f}",
            }
            for row in csv.DictReader(stream)
        ]


def main() -> None:
    """Write the four files."""
    chance = random.Random(SEED)  # noqa: S311 - sample data, not a secret
    market = prices()
    history: dict[str, list[tuple[str, float]]] = {}
    for row in market:
        history.setdefault(str(row["symbol"]), []).append((str(row["price_date"]), float(str(row["close_price"]))))
    last = {symbol: rows[-1][1] for symbol, rows in history.items()}
    names = [f"{first} {family}" for first in FIRST for family in LAST]
    chance.shuffle(names)
    clients, portfolios, positions = [], [], []
    for client_id in range(1, 121):
        name = names[client_id]
        clients.append(
            {
                "client_id": client_id,
                "client_name": name,
                "country": chance.choice(COUNTRIES),
                "email": f"{name.lower().replace(' ', '.')}@example.com",
                "client_since": dt.date(2000 + chance.randrange(8), chance.randint(1, 12), chance.randint(1, 28)),
            }
        )
        for _ in range(chance.choice((1, 2, 2, 3))):
            portfolio_id = len(portfolios) + 1
            profile = chance.choice(PROFILES)
            size = chance.lognormvariate({"Conservative": 12.4, "Balanced": 12.9, "Growth": 13.2}[profile], 0.8)
            cash = round(size * chance.uniform(0.01, 0.25), 2)
            worth = cash
            for _ in range(chance.randint(6, 18)):
                symbol = chance.choice(list(history))
                bought, price = chance.choice(history[symbol][:-6])
                quantity = max(1, round(size / 12 * chance.uniform(0.3, 1.8) / last[symbol]))
                worth += quantity * last[symbol]
                positions.append(
                    {
                        "position_id": len(positions) + 1,
                        "portfolio_id": portfolio_id,
                        "symbol": symbol,
                        "quantity": quantity,
                        "cost_basis": f"{quantity * price:.2f}",
                        "acquired_on": bought,
                    }
                )
            portfolios.append(
                {
                    "portfolio_id": portfolio_id,
                    "client_id": client_id,
                    "client_name": name,
                    "risk_profile": profile,
                    "base_currency": "USD",
                    "cash": f"{cash:.2f}",
                    "total_value": f"{worth:.2f}",
                    "opened_on": dt.date(2000 + chance.randrange(9), chance.randint(1, 12), chance.randint(1, 28)),
                }
            )
    tables = {"clients": clients, "portfolios": portfolios, "positions": positions, "market_prices": market}
    for table, rows in tables.items():
        with (FOLDER / f"{table}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
