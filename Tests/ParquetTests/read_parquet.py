"""Reads a Parquet file by three libraries, which must agree, and prints it as text; checks the statistics of its footer.

Usage: read_parquet.py FILE. Reals are printed as hexadecimal, nulls as NA.
"""
import sys

import duckdb
import polars
import pyarrow.compute
import pyarrow.parquet

path = sys.argv[1]
table = pyarrow.parquet.read_table(path)
columns = {name: table.column(name).to_pylist() for name in table.column_names}

frame = polars.read_parquet(path)
assert frame.columns == list(columns)
relation = duckdb.sql(f"select * from read_parquet('{path}')")
assert relation.columns == list(columns)
rows = relation.fetchall()
for place, (name, values) in enumerate(columns.items()):
    assert frame[name].to_list() == values, f"polars: {name}"
    assert [row[place] for row in rows] == values, f"duckdb: {name}"

file = pyarrow.parquet.ParquetFile(path)
first = 0
for group in range(file.metadata.num_row_groups):
    about = file.metadata.row_group(group)
    for place, (name, values) in enumerate(columns.items()):
        chunk = about.column(place)
        part = [v for v in values[first : first + about.num_rows] if v is not None]
        assert chunk.compression == "ZSTD" and chunk.num_values == about.num_rows
        statistics = chunk.statistics
        assert statistics.null_count == about.num_rows - len(part), name
        if part and max(len(str(v)) for v in part) <= 64:
            assert statistics.has_min_max, name
            least, most = min(part), max(part)
            if isinstance(least, str):
                least, most = (f(part, key=lambda v: v.encode()) for f in (min, max))
            assert (statistics.min, statistics.max) == (least, most), name
    first += about.num_rows
assert first == table.num_rows

print("\t".join(f"{name}:{table.schema.field(name).type}" for name in columns))
for row in zip(*columns.values()):
    print("\t".join("NA" if v is None else v.hex() if isinstance(v, float) else str(v) for v in row))
