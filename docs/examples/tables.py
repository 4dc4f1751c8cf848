"""Tables that one process loads, and all others read where they are: python tables.py."""

import multiprocessing

import pandas
import pyarrow

import zinc


def prices(day: int) -> pandas.DataFrame:
    """Load what takes long to load."""
    rows = pandas.RangeIndex(300_000)
    tickers = pandas.Categorical.from_codes(rows.to_numpy() % 3, ["ABC", "DEF", "XYZ"])
    return pandas.DataFrame({"ticker": tickers, "price": (rows % 100 + day).astype("f8")})


def load(day: int) -> None:
    tables = zinc.Store("tables")
    tables["names"] = pyarrow.table({"ticker": ["ABC", "XYZ"], "name": ["A. B. Corp.", "Xylon"]})
    tables["prices"] = prices(day)  # who has the table of the day before keeps it


if __name__ == "__main__":
    tables = zinc.Store("tables", capacity=256 << 20)  # whoever comes first makes it
    loader = multiprocessing.Process(target=load, args=(1,))
    loader.start()
    today = tables.get("prices", timeout_ms=30_000)  # waits until it is there
    loader.kill()  # what it has put stays
    loader.join()
    loader = multiprocessing.Process(target=load, args=(2,))
    loader.start()
    loader.join()
    held = today.groupby("ticker", observed=True).price.mean()
    new = tables["prices"].groupby("ticker", observed=True).price.mean()
    for row in tables["names"].to_pylist():
        ticker = row["ticker"]
        print(f"{row['name']}: {held[ticker]:.1f} in the table held, {new[ticker]:.1f} in the new")
