# SPDX-License-Identifier: BSD-2-Clause
"""How `make bench` shows what it measured: rows, a table of scaling, JSON.

Values are {figure: {implementation: [value of each run]}}.
"""

import json
import os
import statistics

import catalog


def pretty(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def best_peer(figure, medians):
    peers = {impl: value for impl, value in medians.items()
             if impl not in catalog.NO_PEER}
    if not peers:
        return None
    choose = min if figure.better == "low" else max
    return choose(peers, key=peers.get)


def ratio(figure, medians):
    """How many times better than the best peer lwkt is."""
    peer = best_peer(figure, medians)
    if peer is None or not medians.get("lwkt") or not medians[peer]:
        return None
    times = medians["lwkt"] / medians[peer]
    return 1 / times if figure.better == "low" else times


def verdict(figure, medians):
    """The budget as text, and whether it is kept."""
    if figure.budget is None:
        return "-", ""
    if figure.budget_is == "ratio":
        budget, value = f">={figure.budget:g}x", ratio(figure, medians)
        kept = value is not None and value >= figure.budget
    else:
        sign = "<=" if figure.better == "low" else ">="
        budget, value = f"{sign}{figure.budget:g}", medians.get("lwkt")
        kept = value is not None and (value <= figure.budget if
                                      figure.better == "low" else
                                      value >= figure.budget)
    return budget, "" if value is None else "ok" if kept else "MISS"


class Table:
    """Rows that are printed one by one, so the widths are known before."""

    def __init__(self, figures, impls):
        self.impls = impls
        name = max([len(f.name) for f in figures] + [len("figure")])
        unit = max([len(f.unit) for f in figures] + [len("unit")])
        self.widths = [name, unit, 5, 5, 6, 4, 6] + [
            max(len(impl), 5) for impl in impls]

    def line(self, cells):
        return "  ".join(
            cell.ljust(width) if i in (0, 1, 5) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, self.widths))
        ).rstrip()

    def head(self):
        return self.line(["figure", "unit", "lwkt", "best", "budget", "",
                          "x peer"] + self.impls)

    def row(self, figure, samples):
        medians = {i: statistics.median(v) for i, v in samples.items()}
        extreme = min if figure.better == "low" else max
        times = ratio(figure, medians)
        return self.line(
            [figure.name, figure.unit, pretty(medians.get("lwkt")),
             pretty(extreme(samples["lwkt"]) if "lwkt" in samples
                    else None),
             *verdict(figure, medians),
             "-" if times is None else f"{times:.2g}" if times < 100
             else f"{times:.0f}"] + [pretty(medians.get(i))
                                     for i in self.impls])


def scaling_rows(values, ncpus):
    """A line a figure and implementation, a column a number of CPUs; x: how
    many times better the last is than the first."""
    counts = sorted({n for n, _ in catalog.scaling(ncpus)})
    yield ["figure", "unit", "impl", *map(str, counts), "", "x"]
    for scale in catalog.SCALES:
        for impl in scale.impls.split():
            cells = {n: statistics.median(samples[impl]) for n in counts
                     for samples in [values.get(f"scale-{scale.name}-{n}")]
                     if samples and impl in samples}
            if not cells:
                continue
            times = cells[max(cells)] / cells[min(cells)]
            if scale.better == "low":
                times = 1 / times
            yield [scale.name, scale.unit, impl,
                   *(pretty(cells.get(n)) for n in counts), "",
                   pretty(times if len(cells) > 1 else None)]


def scaling_table(values, ncpus):
    """The lines of that table; none without a figure."""
    rows = list(scaling_rows(values, ncpus))
    if len(rows) == 1:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if i in (0, 1, 2) else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths))).rstrip()


def write_json(values, path):
    """Write all figures; the file is never there by half."""
    part = path.with_suffix(".part")
    with open(part, "w", encoding="ascii") as out:
        for figure in catalog.FIGURES:
            for impl, samples in values.get(figure.name, {}).items():
                json.dump({"bench": figure.name, "impl": impl,
                           "value": statistics.median(samples),
                           "unit": figure.unit, "min": min(samples),
                           "max": max(samples), "runs": len(samples)}, out)
                out.write("\n")
    os.replace(part, path)
