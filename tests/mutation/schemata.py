"""Writes all mutants of a file into one source, each behind a question that is asked at run time.

So one build holds every mutant. The lines stay where they are, and a place that holds others keeps
them: an alternative is written from the original text, since only one mutant is on at a time.
"""

import bisect
import re


def render(source, mutants):
    """The file's bytes with each mutant m behind MUTANT(m.id)."""
    places = {}
    for mutant in mutants:
        places.setdefault((mutant.start, mutant.end), []).append(mutant)
    # Outer places first; places of one tree are nested or apart.
    order = sorted(places, key=lambda place: (place[0], -place[1]))
    starts = [place[0] for place in order]

    def text(start, end, first):
        out = []
        at = start
        i = first
        while i < len(order) and order[i][0] < end:
            place = order[i]
            if place[0] < at or place[1] > end:
                i += 1
                continue
            out.append(source[at:place[0]])
            out.append(written(text(*place, i + 1), places[place]))
            at = place[1]
            i = max(i + 1, bisect.bisect_left(starts, at))
        out.append(source[at:end])
        return b"".join(out)

    return text(0, len(source), 0)


def written(inner, mutants):
    instead = [m for m in mutants if m.kind == "instead"]
    if any(m.boolean for m in instead):
        inner = b"static_cast<bool>(" + inner + b")"
    if instead:
        questions = "".join(f"MUTANT({m.id}) ? ({m.alternative}) : " for m in instead)
        inner = b"(" + questions.encode() + b"(" + inner + b"))"
    for mutant in mutants:
        if mutant.kind == "negated":
            inner = f"(MUTANT({mutant.id}) != static_cast<bool>(".encode() + inner + b"))"
        elif mutant.kind == "removed":
            inner = f"if (!MUTANT({mutant.id})) {{ ".encode() + inner + b" }"
    return inner


def mutant_at(rendered, line, column):
    """The mutant whose text stands at or closest before a place that the compiler complains of."""
    lines = rendered.split(b"\n")
    before = b"\n".join(lines[max(0, line - 12):line - 1] + [lines[line - 1][:column + 6]])
    found = re.findall(rb"MUTANT\((\d+)\)", before)
    return int(found[-1]) if found else None
