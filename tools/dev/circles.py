# SPDX-License-Identifier: BSD-2-Clause
"""Circles of files that use each other.

A graph is {file: {other file: a symbol of it that the file uses, or ""}}.
"""


def reached(graph, start):
    """The files that start uses, directly or through others."""
    found, todo = set(), [start]
    while todo:
        new = set(graph.get(todo.pop(), ())) - found
        found |= new
        todo += new
    return found


def circles(graph):
    """The sets of files each of which uses all others of its set."""
    reach = {file: reached(graph, file) for file in graph}
    sets = {frozenset(other for other in reach[file]
                      if file in reach.get(other, ())) for file in graph}
    return sorted((s for s in sets if s), key=sorted)


def way(graph, files, start, goal):
    """A shortest list of files from start to goal, each using the next."""
    ways, seen = [[start]], {start}
    for path in ways:
        if path[-1] == goal:
            return path
        for other in sorted((graph[path[-1]].keys() & files) - seen):
            seen.add(other)
            ways.append(path + [other])
    return []


def shortest(graph, files, wanted):
    """(first file, text) of a shortest circle inside files.

    It has an arrow that wanted(file, other) accepts.
    """
    path = min(([one, *way(graph, files, other, one)]
                for one in sorted(files)
                for other in sorted(graph[one].keys() & files)
                if wanted(one, other)), key=len)
    return path[0], str(path[0]) + "".join(
        f" -> {other}" + (graph[one][other] and f" ({graph[one][other]})")
        for one, other in zip(path, path[1:]))
